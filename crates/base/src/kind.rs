//! A catalogue entry: the name a user writes and the code that stands behind it.
//!
//! A catalogue is `pub static ALL: &[Kind<dyn Trait>]`, written by hand in the parent of the
//! entries' files, so that it can be grepped, has an order, and needs no life before `main`.

/// One entry of a catalogue.
#[derive(Debug)]
pub struct Kind<T: ?Sized + 'static> {
    /// What the user writes, such as `postgres`.
    pub name: &'static str,
    /// One line for lists and completions.
    pub about: &'static str,
    /// The code behind the name.
    pub code: &'static T,
}

/// Looks a name up in a catalogue.
pub fn find<T: ?Sized>(catalogue: &'static [Kind<T>], name: &str) -> Option<&'static Kind<T>> {
    catalogue.iter().find(|kind| kind.name == name)
}
