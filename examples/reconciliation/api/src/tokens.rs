//! Access tokens: JWTs signed with HMAC-SHA-256, and nothing else.
//!
//! The header is compared with the only one that we write instead of being obeyed, so that a token
//! cannot choose its own algorithm. Lifetimes are short; what lives longer is the refresh token,
//! which is no JWT (see `cache.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Seconds that an access token is good for.
pub const LIFETIME: i64 = 15 * 60;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What a token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

/// Signs a token for an account.
pub fn sign(account: i64, now: i64, secret: &[u8]) -> String {
    let claims = Claims { sub: account, exp: now + LIFETIME };
    let claims = serde_json::to_vec(&claims).expect("two numbers can be written");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(&signed, secret).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// Reads a token; `None` if it is not ours, was changed, or has ended.
pub fn verify(token: &str, now: i64, secret: &[u8]) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    // Compares in constant time.
    mac(signed, secret).verify_slice(&signature).ok()?;
    let (header, claims) = signed.split_once('.')?;
    if header != URL_SAFE_NO_PAD.encode(HEADER) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    (now < claims.exp).then_some(claims)
}

fn mac(text: &str, secret: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret that is only used in tests";

    fn check(token: &str, now: i64, account: Option<i64>) {
        assert_eq!(verify(token, now, SECRET).map(|claims| claims.sub), account, "{token}");
    }

    #[test]
    fn a_token_is_good_until_it_ends() {
        let token = sign(7, 1000, SECRET);
        check(&token, 1000, Some(7));
        check(&token, 1000 + LIFETIME - 1, Some(7));
        check(&token, 1000 + LIFETIME, None);
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let token = sign(7, 1000, SECRET);
        let other = sign(8, 1000, SECRET);
        let parts: Vec<&str> = token.split('.').collect();
        let others: Vec<&str> = other.split('.').collect();
        check(&format!("{}.{}.{}", parts[0], others[1], parts[2]), 1000, None);
        check(&format!("{}.{}.", parts[0], parts[1]), 1000, None);
        check(&sign(7, 1000, b"another secret of the same length.."), 1000, None);
        for wrong in ["", ".", "..", "a.b.c", "å.ß.ç"] {
            check(wrong, 1000, None);
        }
    }

    #[test]
    fn a_token_cannot_choose_its_algorithm() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":7,"exp":9999999999}"#);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        check(&format!("{header}.{claims}."), 0, None);
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(mac(&signed, SECRET).finalize().into_bytes());
        check(&format!("{signed}.{signature}"), 0, None);
    }

    /// RFC 7515, appendix A.1, checked with a MAC of ours.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = URL_SAFE_NO_PAD.decode(key).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(mac(signed, &key).finalize().into_bytes());
        assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }
}
