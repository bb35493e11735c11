//! `[alert]`: when somebody is told.

use std::time::Duration;

use base::{Diagnostic, Span, Spanned};

use crate::cursor::Cursor;
use crate::field::{Field, Section, Shape, Syntax};

/// When somebody is told, and who.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its key.
    pub name: Spanned<String>,
    /// What sets it off.
    pub trigger: Trigger,
    /// Who is told.
    pub notify: Vec<Spanned<String>>,
    /// Where it is named.
    pub span: Span,
}

/// What sets an alert off.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// The error budget of these objectives, or of all, is burning.
    Burn {
        /// How fast.
        speed: Spanned<Burn>,
        /// Of which; all when empty.
        of: Vec<Spanned<String>>,
    },
    /// A PromQL expression holds.
    When {
        /// The expression.
        query: Spanned<String>,
        /// For how long.
        lasting: Option<Spanned<Duration>>,
    },
}

/// How fast an error budget burns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Burn {
    /// Gone in days: somebody is woken.
    Fast,
    /// Gone before its time: somebody gets a ticket.
    Slow,
}

/// The keys of an alert.
pub static FIELDS: &[Field] = &[
    Field::new(
        "burn",
        Syntax::Choice(&["fast", "slow"]),
        "How fast an error budget must burn to set it off.",
    )
    .example("\"fast\""),
    Field::new("of", Syntax::List(&Syntax::Name("slo")), "Whose budgets; left out: all.")
        .example("[\"latency\"]"),
    Field::new("when", Syntax::Text, "A PromQL expression that sets it off, instead of `burn`.")
        .example("\"queue_length > 100\""),
    Field::new("for", Syntax::Duration, "How long `when` must hold.").example("\"5m\""),
    Field::new("notify", Syntax::List(&Syntax::Name("notify")), "Who is told.")
        .example("[\"team\"]")
        .required(),
];

/// `[alert]`.
pub static SECTION: Section = Section {
    name: "alert",
    about: "When somebody is told. Alerts on instances, disks, certificates and databases exist \
        without being written.",
    shape: Shape::Entries(FIELDS),
    example: "[alert]\npage   = { burn = \"fast\", notify = [\"pager\"] }\nticket = { burn = \
        \"slow\", notify = [\"team\"] }",
};

impl Alert {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        let burn = cursor.choice("burn", &[("fast", Burn::Fast), ("slow", Burn::Slow)]);
        let of = cursor.name_list("of");
        let when = cursor.text("when");
        let lasting = cursor.duration("for");
        let notify = cursor.name_list("notify");
        if notify.is_empty() && cursor.has("notify") {
            let message = format!("alert `{}` tells nobody", name.value);
            let help = "name a notifier, `notify = [\"team\"]`, or remove the alert";
            cursor.report(Diagnostic::error("bad-value", message).at(span, "").help(help));
        }
        let (has_burn, has_when) = (cursor.has("burn"), cursor.has("when"));
        if has_burn == has_when {
            let (problem, help) = if has_burn {
                ("has both `burn` and `when`", "make two alerts of it")
            } else {
                ("says neither `burn` nor `when`", "add `burn = \"fast\"` or `when = \"…\"`")
            };
            let message = format!("alert `{}` {problem}", name.value);
            cursor.report(Diagnostic::error("contradiction", message).at(span, "").help(help));
        }
        for (key, span, belongs) in [
            ("of", of.first().map(|of| of.span).filter(|_| !has_burn), "burn"),
            ("for", lasting.as_ref().map(|lasting| lasting.span).filter(|_| !has_when), "when"),
        ] {
            let Some(span) = span else { continue };
            let message = format!("`{key}` has a meaning only beside `{belongs}`");
            cursor
                .report(Diagnostic::error("contradiction", message).at(span, "").help("remove it"));
        }
        let trigger = match (burn, when) {
            (Some(speed), _) => Trigger::Burn { speed, of },
            (None, Some(query)) => Trigger::When { query, lasting },
            (None, None) => return None,
        };
        Some(Self { name, trigger, notify, span })
    }
}
