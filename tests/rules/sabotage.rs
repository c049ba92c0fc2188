//! Rules for sabotages: each has its row in the page on reliability, with the test that notices it, and the other way round.

use super::Tree;

/// The page that lists them all.
const PAGE: &str = "docs/reliability.md";
/// The heading below which a row is `| name | module | what breaks | test |`.
const HEADING: &str = "### Sabotages";

/// One row of the page.
struct Row<'a> {
    line: usize,
    name: &'a str,
    module: &'a str,
    /// The test and the file that it is linked to.
    test: Option<(&'a str, String)>,
}

/// Every sabotage is on the page, and what is on the page is there, with a test that is there.
pub(crate) fn listed(tree: &Tree) -> Vec<String> {
    let rows = rows(tree.get(PAGE).unwrap_or_default());
    let known: Vec<(&str, &str, &str)> = sabotages(tree).collect();
    let mut faults: Vec<String> = known
        .iter()
        .filter(|(_, module, name)| !rows.iter().any(|row| row.name == *name && row.module == *module))
        .map(|(path, _, name)| format!("{path}: {PAGE} does not list `{name}`"))
        .collect();
    for Row { line, name, module, test } in &rows {
        let place = format!("{PAGE}:{line}");
        if !known.iter().any(|(_, its, known)| its == module && known == name) {
            faults.push(format!("{place}: `{module}` has no sabotage `{name}`"));
        }
        match test {
            None => faults.push(format!("{place}: no test is linked for `{name}`")),
            Some((test, file)) => faults.extend(missing(tree, name, test, file).map(|what| format!("{place}: {what}"))),
        }
    }
    faults
}

/// What is wrong with a row's test.
fn missing(tree: &Tree, name: &str, test: &str, file: &str) -> Option<String> {
    let Some(source) = tree.get(file) else { return Some(format!("there is no file `{file}`")) };
    if !source.contains(&format!("fn {test}()")) && !source.contains(&format!("isolated!({test},")) {
        return Some(format!("`{file}` has no test `{test}`"));
    }
    let uses_it = source.contains(&format!("\"{name}\"")) || source.contains("Sabotage::ALL");
    (!uses_it).then(|| format!("`{file}` does not use `{name}`"))
}

/// File, module and name of each sabotage in the source: the strings of the enums in files called `sabotage.rs`.
fn sabotages(tree: &Tree) -> impl Iterator<Item = (&str, &str, &str)> {
    tree.rust(&["src"]).filter(|(path, _)| path.ends_with("/sabotage.rs")).flat_map(|(path, text)| {
        let module = path.strip_suffix("/sabotage.rs").and_then(|module| module.rsplit('/').next());
        let module = module.filter(|module| *module != "core" && *module != "src").unwrap_or("pure");
        let name = |line: &'_ str| line.trim().strip_suffix("\",")?.split_once(" = \"").map(|(_, name)| name.len());
        text.lines().filter_map(move |line| {
            let length = name(line)?;
            let start = line.find(" = \"")? + 4;
            Some((path, module, &line[start..start + length]))
        })
    })
}

fn rows(page: &str) -> Vec<Row<'_>> {
    let lines = page.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let table = lines.take_while(|(_, line)| !line.starts_with('#')).filter(|(_, line)| line.starts_with("| `"));
    table
        .filter_map(|(index, line)| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let (name, module, _, test) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
            let test = test.strip_prefix("[`").and_then(|rest| rest.split_once("`](../")).and_then(|(test, rest)| {
                let (file, _) = rest.split_once(')')?;
                Some((test, file.to_owned()))
            });
            Some(Row { line: index + 1, name: name.trim_matches('`'), module: module.trim_matches('`'), test })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &[&str]) -> String {
        format!(
            "# X\n\n{HEADING}\n\n| name | module | breaks | test |\n| --- | --- | --- | --- |\n{}\n",
            rows.join("\n")
        )
    }

    #[test]
    fn every_sabotage_is_listed_with_its_test() {
        let source = ("src/git/sabotage.rs", "sabotages! {\n        NoFsync = \"no-fsync\",\n}");
        let test = ("tests/git/x.rs", "fn it_is_noticed() { must_fail(\"no-fsync\") }");
        let row = "| `no-fsync` | `git` | nothing is synced | [`it_is_noticed`](../tests/git/x.rs) |";
        let faults = |rows: &[&str], files: &[(&str, &str)]| {
            let page = page(rows);
            listed(&Tree::of(&[&[(PAGE, page.as_str())], files].concat()))
        };
        assert_eq!(faults(&[row], &[source, test]), Vec::<String>::new());
        let fault = "src/git/sabotage.rs: docs/reliability.md does not list `no-fsync`";
        assert_eq!(faults(&[], &[source, test]), [fault]);
        assert_eq!(faults(&[row], &[test]), ["docs/reliability.md:7: `git` has no sabotage `no-fsync`"]);
        let other = row.replace("`git`", "`store`");
        assert_eq!(faults(&[&other], &[source, test]).len(), 2);
        assert_eq!(faults(&[row], &[source]), ["docs/reliability.md:7: there is no file `tests/git/x.rs`"]);
        let gone = ("tests/git/x.rs", "fn another() {} \"no-fsync\"");
        let fault = "docs/reliability.md:7: `tests/git/x.rs` has no test `it_is_noticed`";
        assert_eq!(faults(&[row], &[source, gone]), [fault]);
        let idle = ("tests/git/x.rs", "fn it_is_noticed() {}");
        assert_eq!(
            faults(&[row], &[source, idle]),
            ["docs/reliability.md:7: `tests/git/x.rs` does not use `no-fsync`"]
        );
        let bare = "| `no-fsync` | `git` | nothing is synced | none |";
        assert_eq!(faults(&[bare], &[source, test]), ["docs/reliability.md:7: no test is linked for `no-fsync`"]);
    }
}
