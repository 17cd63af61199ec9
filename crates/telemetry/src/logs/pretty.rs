//! Events for a person.

use std::{
    error::Error,
    fmt::{self, Debug},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{DefaultVisitor, Format, Full, Writer},
    },
    registry::LookupSpan,
};

use super::{repeats::Repeats, value::is_escaped};
use crate::text::{CUT, Chain, REDACTED, formatted, is_secret, redact};

/// tracing-subscriber's default form, with [`Repeats`] left out.
#[derive(Clone, Debug)]
pub struct PrettyEvents {
    full: Format<Full>,
    repeats: Repeats,
}

/// tracing-subscriber's default form of fields, without the secrets in them, and with an end.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PrettyFields;

impl PrettyEvents {
    /// Leaves out what these do.
    pub fn new(repeats: Repeats) -> Self {
        Self { full: Format::default(), repeats }
    }
}

impl PrettyFields {
    /// The form; there is one.
    pub fn new() -> Self {
        Self
    }
}

impl<S, N> FormatEvent<S, N> for PrettyEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // What is not written is an empty text, of which a log writes nothing.
        let Some(repeated) = self.repeats.pass(event.metadata()) else { return Ok(()) };
        self.full.format_event(context, writer.by_ref(), event)?;
        if repeated > 0 { writeln!(writer, "  repeated={repeated}") } else { Ok(()) }
    }
}

impl<'w> FormatFields<'w> for PrettyFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut safe = Safe(DefaultVisitor::new(writer, true));
        fields.record(&mut safe);
        safe.0.finish()
    }
}

/// Hands each value on without the secrets in it.
struct Safe<'w>(DefaultVisitor<'w>);

impl Visit for Safe<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_secret(field.name()) {
            return self.0.record_debug(field, &format_args!("{REDACTED}"));
        }
        formatted(format_args!("{value:?}"), |text, is_cut| {
            let mut safe = String::with_capacity(text.len());
            // A value may have several lines, here, but nothing that a terminal acts on.
            let harmless = |c: &char| matches!(c, '\n' | '\t' | '"' | '\\') || !is_escaped(*c);
            redact(text, &mut |piece| safe.extend(piece.chars().filter(harmless)));
            if is_cut {
                safe.push_str(CUT);
            }
            self.0.record_debug(field, &format_args!("{safe}"));
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", Chain(value)));
    }
}
