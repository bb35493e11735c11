//! What can go wrong with a request, who caused it, and what the client is told: the only place
//! where an error becomes a status and a sentence.

use crate::http1::Refusal;

/// On whose side the cause lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// The request is wrong, or the client left.
    Client,
    /// The service failed.
    Upstream,
    /// We, or our configuration.
    Gateway,
}

impl Cause {
    /// The word for it in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

/// Why there is no answer from a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The request breaks the rules.
    Refused(Refusal),
    /// The head did not come in time.
    SlowHead,
    /// The body did not come in time.
    SlowBody,
    /// No route takes this host and path.
    NoRoute,
    /// The listener is not configured yet.
    NoListener,
    /// The metrics listener has no such page.
    NoPage,
    /// The service has no instance that is ready.
    NoEndpoint,
    /// No instance could be reached.
    Unreachable,
    /// No instance could be reached in time.
    ConnectTimeout,
    /// The answer did not come in time.
    AnswerTimeout,
    /// The connection ended before an answer.
    NoAnswer,
    /// The answer breaks the rules.
    BadAnswer(Refusal),
    /// The answer ended before it was complete; the client has part of it.
    Truncated,
    /// The client left.
    ClientGone,
}

impl Failure {
    /// Who caused it.
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Self::Refused(_)
            | Self::SlowHead
            | Self::SlowBody
            | Self::NoRoute
            | Self::NoPage
            | Self::ClientGone => Cause::Client,
            Self::NoListener => Cause::Gateway,
            Self::NoEndpoint
            | Self::Unreachable
            | Self::ConnectTimeout
            | Self::AnswerTimeout
            | Self::NoAnswer
            | Self::BadAnswer(_)
            | Self::Truncated => Cause::Upstream,
        }
    }

    /// What the client gets, or is counted as having got.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::SlowHead | Self::SlowBody => 408,
            Self::NoRoute | Self::NoPage => 404,
            Self::NoListener | Self::NoEndpoint => 503,
            Self::ConnectTimeout | Self::AnswerTimeout => 504,
            Self::Unreachable | Self::NoAnswer | Self::BadAnswer(_) | Self::Truncated => 502,
            Self::ClientGone => 499,
        }
    }

    /// The sentence for people; `service` is the one concerned, when one is.
    pub(crate) fn sentence(self, service: &str) -> String {
        match self {
            Self::Refused(refusal) => refusal.sentence().to_owned(),
            Self::SlowHead => "The request's head took too long to arrive.".to_owned(),
            Self::SlowBody => "The request's body took too long to arrive.".to_owned(),
            Self::NoRoute => "No route serves this host and path.".to_owned(),
            Self::NoPage => "The metrics are at /metrics.".to_owned(),
            Self::NoListener => "Nothing is configured for this address yet.".to_owned(),
            Self::NoEndpoint => {
                format!("The service `{service}` has no instance that is ready.")
            }
            Self::Unreachable => format!("The service `{service}` could not be reached."),
            Self::ConnectTimeout => {
                format!("The service `{service}` could not be reached in time.")
            }
            Self::AnswerTimeout => format!("The service `{service}` did not answer in time."),
            Self::NoAnswer => {
                format!("The service `{service}` closed the connection without an answer.")
            }
            Self::BadAnswer(refusal) => format!(
                "The service `{service}` gave an answer that is not valid HTTP ({}).",
                refusal.label()
            ),
            Self::Truncated => format!("The answer of the service `{service}` is incomplete."),
            Self::ClientGone => "The client left.".to_owned(),
        }
    }
}

/// The status's name.
pub(crate) const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// Why a request reached no route, for metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rejection {
    /// It breaks the rules.
    Refused(Refusal),
    /// Its head was too slow.
    SlowHead,
    /// No route takes it.
    NoRoute,
    /// Its listener is not configured.
    NoListener,
}

impl Rejection {
    /// How many there are.
    pub(crate) const COUNT: usize = Refusal::ALL.len() + 3;

    /// Each of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let others = [Self::SlowHead, Self::NoRoute, Self::NoListener];
        Refusal::ALL.into_iter().map(Self::Refused).chain(others)
    }

    /// Its place in [`Rejection::all`].
    pub(crate) const fn index(self) -> usize {
        match self {
            // The catalogue lists the variants in their order; a test holds it to that.
            Self::Refused(refusal) => refusal as usize,
            Self::SlowHead => Refusal::ALL.len(),
            Self::NoRoute => Refusal::ALL.len() + 1,
            Self::NoListener => Refusal::ALL.len() + 2,
        }
    }

    /// The word for it in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.label(),
            Self::SlowHead => "slow_head",
            Self::NoRoute => "no_route",
            Self::NoListener => "no_listener",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_has_its_own_place_and_label() {
        let mut labels = Vec::new();
        for (place, rejection) in Rejection::all().enumerate() {
            assert_eq!(rejection.index(), place);
            labels.push(rejection.label());
        }
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Rejection::COUNT);
    }

    #[test]
    fn every_status_that_is_sent_has_a_name() {
        for rejection in Rejection::all() {
            if let Rejection::Refused(refusal) = rejection {
                assert_ne!(title(refusal.status()), "Error");
            }
        }
    }
}
