//! What only the owner may know: secrets, in a file that only the owner can read.

mod secrets;

pub use secrets::{
    LONGEST_VALUE, MOST_SECRETS, Secrets, SecretsError, is_internal, is_secret_name,
};
