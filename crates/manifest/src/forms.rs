//! Texts of one form that many keys take: names, variables, secrets, paths.

use crate::cursor::Refusal;
use crate::names;

pub(crate) fn bare_name(text: &str) -> Result<String, Refusal> {
    if names::is_name(text) {
        return Ok(text.to_owned());
    }
    if let Some(bare) = text.strip_prefix(['@', '$']).filter(|bare| names::is_name(bare)) {
        let message = format!("`{text}` is not a name");
        return Err(Refusal::new(message, format!("write the bare name here: `\"{bare}\"`")));
    }
    let help =
        "a name is of small letters, digits and hyphens, begins with a letter and has at most 40";
    Err(Refusal::new(format!("`{text}` is not a name"), help))
}

pub(crate) fn variable_name(text: &str) -> Result<String, Refusal> {
    if names::is_variable(text) {
        return Ok(text.to_owned());
    }
    let help = "write letters, digits and underscores, not beginning with a digit: `API_URL`";
    Err(Refusal::new(format!("`{text}` is not the name of a variable"), help))
}

pub(crate) fn bare_secret(name: &str) -> Refusal {
    let help = format!("write the bare name here: `\"{name}\"`");
    Refusal::new(format!("`${name}` is not the name of a variable"), help)
}

pub(crate) fn secret_name(key: &str, text: &str) -> Result<String, Refusal> {
    match text.strip_prefix('$') {
        Some(name) if names::is_variable(name) => Ok(name.to_owned()),
        Some(name) => Err(Refusal::new(
            format!("`${name}` is not the name of a secret"),
            "write a dollar sign, letters, digits and underscores: `$BACKUP_REPOSITORY`",
        )),
        None => Err(Refusal::new(
            format!("`{key}` names a secret and does not hold its value"),
            format!("write `{key} = \"$NAME\"` and give the value with `mainstay secret set NAME`"),
        )),
    }
}

/// A path relative to the manifest that does not climb out of its directory.
pub fn relative_path(text: &str) -> Result<String, Refusal> {
    let refuse = |message: String, help: &str| Err(Refusal::new(message, help));
    if text.trim().is_empty() {
        return refuse(
            "the path is empty".to_owned(),
            "write `.` for the manifest's own directory",
        );
    }
    if text.contains('\\') {
        return refuse(format!("`{text}` contains a backslash"), "separate directories with `/`");
    }
    if text.starts_with('/') || text.starts_with('~') {
        let help =
            "write it relative to the manifest's directory, so that it holds on every machine";
        return refuse(format!("`{text}` is an absolute path"), help);
    }
    let mut depth = 0_usize;
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => {
                let help = "move what is needed below the manifest, or the manifest further up";
                return refuse(format!("`{text}` climbs out of the manifest's directory"), help);
            }
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    Ok(text.to_owned())
}

pub(crate) fn url_path(text: &str) -> Result<String, Refusal> {
    if !text.starts_with('/') {
        let bare = text.trim();
        let help = if bare.contains("://") || bare.is_empty() {
            "write only the path: `/health`".to_owned()
        } else {
            format!("begin with a slash: `/{bare}`")
        };
        return Err(Refusal::new(format!("`{text}` is not the path of a URL"), help));
    }
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '#' || c == '\\';
    if text.contains(forbidden) || text.split('/').any(|part| part == "..") {
        let help = "write a path without blanks, `#`, `\\` and `..`";
        return Err(Refusal::new(format!("`{text}` is not the path of a URL"), help));
    }
    Ok(text.to_owned())
}
