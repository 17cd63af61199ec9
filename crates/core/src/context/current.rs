//! Which request the running code works for.
//!
//! What runs on behalf of a request is handed its context where it can be. A client that is called ten functions deep
//! cannot, so that a future may carry the context along: it is current whenever that future is polled, and no longer.

use std::{
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::RequestContext;

thread_local! {
    static CURRENT: RefCell<Option<RequestContext>> = const { RefCell::new(None) };
}

pin_project! {
    /// A future with a [current](RequestContext::current) context of its own, or with none.
    ///
    /// Made by [`RequestContext::scope`], [`inherited`](Self::inherited) and [`without`](Self::without). It costs each
    /// poll two moves of a pointer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InContext<F> {
        #[pin]
        inner: F,
        context: Option<RequestContext>,
    }
}

/// Swaps the current context back, also when what runs inside panics.
struct Swapped<'a> {
    other: &'a mut Option<RequestContext>,
}

impl<'a> Swapped<'a> {
    fn with(other: &'a mut Option<RequestContext>) -> Self {
        swap(other);
        Self { other }
    }
}

impl Drop for Swapped<'_> {
    fn drop(&mut self) {
        swap(self.other);
    }
}

fn swap(other: &mut Option<RequestContext>) {
    // A thread that is torn down has no current context, and needs none.
    let _ = CURRENT.try_with(|current| mem::swap(&mut *current.borrow_mut(), other));
}

/// # The current one
impl RequestContext {
    /// The context of the request that the running code works for, where somebody outside has said so
    /// ([`scope`](Self::scope)). A task that was spawned has none, unless it was given one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Runs `future` with this context as the current one.
    pub fn scope<F>(&self, future: F) -> InContext<F> {
        self.announce_moves();
        InContext { inner: future, context: Some(self.clone()) }
    }
}

impl<F> InContext<F> {
    /// Runs `future` with the context that is current now, wherever it is polled: in a task of its own, for one.
    pub fn inherited(future: F) -> Self {
        let context = RequestContext::current();
        if let Some(context) = &context {
            context.announce_moves();
        }
        Self { inner: future, context }
    }

    /// Runs `future` without a current context: what outlives the request has no business with its deadline.
    pub fn without(future: F) -> Self {
        Self { inner: future, context: None }
    }

    /// Makes a future in a context, or without one: `make` runs there too.
    pub fn making(mut context: Option<RequestContext>, make: impl FnOnce() -> F) -> Self {
        let inner = {
            let _swapped = Swapped::with(&mut context);
            make()
        };
        Self { inner, context }
    }
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _swapped = Swapped::with(this.context);
        this.inner.poll(cx)
    }
}
