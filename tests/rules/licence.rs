//! Which licences may come in: reads the list of `deny.toml` and judges licence expressions. Asks nobody.

use super::Tree;

/// The licences that `deny.toml` allows.
pub(crate) fn allowed(tree: &Tree) -> Vec<String> {
    let text = tree.get("deny.toml").unwrap_or_default();
    let list = text.split_once("[licenses]").and_then(|(_, rest)| rest.split_once("allow = [")?.1.split_once(']'));
    let quoted = list.map(|(inside, _)| inside.split('"').skip(1).step_by(2)).into_iter().flatten();
    quoted.map(str::to_owned).collect()
}

/// Whether a crate under this SPDX expression may come in. The old `MIT/Apache-2.0` is a choice.
pub(crate) fn permits(allowed: &[String], expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fits = any(allowed, &tokens, &mut at);
    fits && at == tokens.len()
}

fn any(allowed: &[String], tokens: &[&str], at: &mut usize) -> bool {
    let mut fits = all(allowed, tokens, at);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        fits |= all(allowed, tokens, at);
    }
    fits
}

fn all(allowed: &[String], tokens: &[&str], at: &mut usize) -> bool {
    let mut fits = one(allowed, tokens, at);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        fits &= one(allowed, tokens, at);
    }
    fits
}

fn one(allowed: &[String], tokens: &[&str], at: &mut usize) -> bool {
    let Some(token) = tokens.get(*at) else { return false };
    *at += 1;
    if *token == "(" {
        let fits = any(allowed, tokens, at);
        *at += 1;
        return fits && tokens.get(*at - 1) == Some(&")");
    }
    let mut name = (*token).to_owned();
    if let (Some(&"WITH"), Some(exception)) = (tokens.get(*at), tokens.get(*at + 1)) {
        name = format!("{name} WITH {exception}");
        *at += 2;
    }
    allowed.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read() {
        let tree =
            Tree::of(&[("deny.toml", "[licenses]\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n[bans]\nallow = [\"x\"]\n")]);
        assert_eq!(allowed(&tree), ["MIT", "ISC"]);
    }

    #[test]
    fn expressions_are_judged() {
        let allowed: Vec<String> = ["MIT", "Apache-2.0 WITH LLVM-exception", "Zlib"].map(str::to_owned).into();
        for (expression, fits) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("GPL-3.0-only/MIT", true),
            ("(GPL-3.0-only OR MIT) AND Zlib", true),
            ("(GPL-3.0-only OR MIT) AND X", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("MIT AND", false),
            ("", false),
        ] {
            assert_eq!(permits(&allowed, expression), fits, "{expression}");
        }
    }
}
