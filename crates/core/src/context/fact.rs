//! Small facts about a request that any thread may read while another writes.

use std::{fmt, marker::PhantomData};

use crate::sync::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// An enum of at most 256 values in one atomic byte.
pub(super) struct Fact<T> {
    byte: AtomicU8,
    value: PhantomData<T>,
}

/// An enum that can live in a [`Fact`].
pub(super) trait Code: Copy + 'static {
    const ALL: &'static [Self];

    fn code(self) -> u8;
}

impl<T: Code> Fact<T> {
    pub(super) fn new(value: T) -> Self {
        Self { byte: AtomicU8::new(value.code()), value: PhantomData }
    }

    pub(super) fn get(&self) -> T {
        T::ALL[usize::from(self.byte.load(Acquire))]
    }

    #[inline]
    pub(super) fn set(&self, value: T) {
        self.byte.store(value.code(), Release);
    }

    /// Sets `value` if it stood at `expected`, and says whether it did.
    #[inline]
    pub(super) fn replace(&self, expected: T, value: T) -> bool {
        self.byte.compare_exchange(expected.code(), value.code(), AcqRel, Relaxed).is_ok()
    }
}

macro_rules! fact {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every one, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it in logs and labels.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Code for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn code(self) -> u8 {
                self as u8
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

fact! {
    /// How much it would hurt to shed a request, from most to least. The names are those of Google's SRE book.
    Criticality {
        /// Never shed while anything else could be.
        CriticalPlus = "critical-plus",
        /// What a person is waiting for. The default.
        Critical = "critical",
        /// What can be tried again in minutes.
        SheddablePlus = "sheddable-plus",
        /// What can be tried again in hours.
        Sheddable = "sheddable",
    }
}

fact! {
    /// Where a request is on its way through the service.
    Stage {
        /// Its head has been read.
        Received = "received",
        /// It waits for admission.
        Queued = "queued",
        /// The handler runs.
        Handling = "handling",
        /// The handler waits for bytes of the request's body.
        ReadingBody = "reading-body",
        /// The response's head is out, its body is not.
        Responding = "responding",
        /// Its connection has gone over to another protocol, and is still there.
        Upgraded = "upgraded",
        /// It is over.
        Done = "done",
    }
}

fact! {
    /// How a request ended.
    Outcome {
        /// It has not.
        Pending = "pending",
        /// The last frame of its response was handed to the transport.
        Finished = "finished",
        /// The service, or the body it returned, failed with an error.
        Failed = "failed",
        /// It was refused for load; the handler never ran.
        Shed = "shed",
        /// Its deadline passed.
        TimedOut = "timed-out",
        /// The client went away first.
        Cancelled = "cancelled",
        /// The shutdown ran out of time for it.
        CutByShutdown = "cut-by-shutdown",
        /// The handler or its body panicked.
        Panicked = "panicked",
    }
}
