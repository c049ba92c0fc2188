//! Definitions that are sound, and what is said of those that are not, with line and column.

use super::*;

fn findings(text: &str) -> Vec<String> {
    let reading = read_definition("w", text);
    let found: Vec<String> = reading.findings.iter().map(ToString::to_string).collect();
    let has_error = reading.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(reading.definition.is_none(), has_error, "{text}: {found:?}");
    assert!(reading.findings.iter().all(|finding| finding.hint.is_some()), "{text}: {found:?}");
    found
}

const TRAIN: &str = r#"name: w
inputs:
  dataset: { type: string }
  epochs:  { type: integer, default: 3 }
  folds:   { type: list, default: [1, 2, 3] }
steps:
  prepare:  { type: prepare-dataset, agent: data-engineer, payload: { dataset: "{{ inputs.dataset }}" } }
  train:    { type: train-model, needs: prepare, for_each: "{{ inputs.folds }}", max_parallel: 4,
              retry: { max_attempts: 3, backoff: 30s, factor: 2, max_backoff: 10m }, timeout: 2h,
              payload: { epochs: "{{ inputs.epochs }}", fold: "{{ item }}" } }
  evaluate: { type: evaluate-model, needs: train, when: "{{ steps.train.result | length > 0 }}" }
  recover:  { type: clean-up, needs: train, when: failure }
  report:   { type: write-report, needs: [evaluate, recover], when: always, priority: high }
"#;

#[test]
fn the_design_s_example_is_read() {
    assert_eq!(findings(TRAIN), Vec::<String>::new());
    let definition = read_definition("w", TRAIN).definition.expect("sound");
    let names: Vec<&str> = definition.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["prepare", "train", "evaluate", "recover", "report"]);
    let report = definition.step("report").expect("there");
    assert_eq!((report.needs.len(), &report.when, report.priority), (2, &Condition::Always, Priority::High));
    assert_eq!(definition.step("train").expect("there").timeout, Some(Duration::from_secs(7_200)));
}

#[test]
fn every_fault_has_its_place() {
    let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let many = format!("  a: {{ type: t, for_each: [{}] }}", many.join(","));
    let long = format!("  a: {{ type: t, when: \"{{{{ {}1 }}}}\" }}", "(".repeat(40));
    for (steps, expected) in [
        ("  a: { type: t, needs: b }", "2:24: error[MYC207]: there is no step `b`"),
        (
            "  a: { type: t, needs: [x, a] }",
            "2:25: error[MYC207]: there is no step `x`|2:28: error[MYC203]: the step `a` needs itself",
        ),
        (
            "  a: { type: t, needs: c }\n  b: { type: t, needs: a }\n  c: { type: t, needs: b }",
            "2:3: error[MYC203]: these steps wait for each other: a → c → b → a",
        ),
        (
            "  a: { type: t, when: failure }",
            "2:3: error[MYC110]: the step `a` can never run: nothing before it can fail",
        ),
        (
            "  a: { type: t, when: sucess }",
            "2:23: error[MYC110]: `when`: unknown condition `sucess`; known: success, failure, any, always, {{ EXPRESSION }}",
        ),
        (
            "  a: { type: t, when: \"{{ 1 + }}\" }",
            "2:29: error[MYC110]: `when`: unexpected end of input, expected expression",
        ),
        (
            "  a: { type: t, when: \"{{ steps.b.result.x }}\" }\n  b: { type: t }",
            "2:23: error[MYC110]: `when`: the step `b` need not have ended before `a`",
        ),
        ("  a: { type: t, when: \"{{ inputs.x > 1 }}\" }", "2:23: error[MYC110]: `when`: there is no input `x`"),
        (
            "  a: { type: t, payload: { n: \"{{ item }}\" } }",
            "2:26: error[MYC110]: `payload`: `item` is not known here",
        ),
        (
            "  a: { type: t, payload: { n: \"{{ 1 + \" } }",
            "2:31: error[MYC110]: `payload`: unexpected end of input, expected expression",
        ),
        (
            "  a: { type: t, retry: { attempts: 3 } }",
            "2:24: error[MYC103]: `retry`: unknown key `attempts`; known: max_attempts, backoff, factor, max_backoff",
        ),
        (
            "  a: { type: t, timeout: soon }",
            "2:26: error[MYC103]: `timeout`: `soon` is not a span of time such as 30s, 5m, 2h or 7d",
        ),
        (
            "  a: { type: t, neds: b }",
            "2:17: error[MYC103]: a step has no key `neds`; known: type, title, description, agent, priority, review, needs, when, for_each, max_parallel, retry, timeout, payload",
        ),
        ("  a b: { type: t }", "2:3: error[MYC104]: `a b` is no name of a step"),
        ("  a: { type: t, for_each: all }", "2:27: error[MYC110]: `for_each` is neither a list nor an expression"),
        (
            "  a: { type: t, max_parallel: 2 }",
            "2:3: warning[MYC103]: `max_parallel` of `a` has no meaning without `for_each`",
        ),
        ("  a: t", "2:6: error[MYC011]: `a` must be a map of keys"),
        ("  a: { type: t }\n  a: { type: t }", "3:3: error[MYC008]: the key `a` stands twice"),
        (&many, "2:27: error[MYC013]: `for_each` has 1001 items; at most 1000 are taken"),
        (&long, "2:59: error[MYC110]: `when`: the expression nests brackets deeper than 32 levels"),
    ] {
        let found = findings(&format!("steps:\n{steps}\n")).join("|");
        assert_eq!(found, expected, "{steps}");
    }
}

#[test]
fn inputs_and_the_whole_are_checked() {
    for (text, expected) in [
        ("inputs: {}\n", "1:1: error[MYC101]: the key `steps` is missing"),
        ("steps: {}\n", "1:8: error[MYC011]: `steps` must be a map of keys"),
        ("- a\n", "1:1: error[MYC011]: the file is not a map of keys"),
        ("name: v\nsteps: { a: { type: t } }\n", "1:7: error[MYC104]: the name is not that of its file, `w`"),
        (
            "inputs: { n: { type: int } }\nsteps: { a: { type: t } }\n",
            "1:22: error[MYC103]: unknown type `int`; known: string, integer, number, boolean, list, map",
        ),
        (
            "inputs: { n: { type: integer, default: x } }\nsteps: { a: { type: t } }\n",
            "1:40: error[MYC103]: the default of `n` is no integer",
        ),
        (
            "inputs: { n: { default: 1 } }\nsteps: { a: { type: t } }\n",
            "1:11: error[MYC101]: the input `n` has no type",
        ),
    ] {
        assert_eq!(findings(text).join("|"), expected, "{text}");
    }
}

#[test]
fn given_inputs_fit_their_types() {
    use crate::core::workflow::parse_inputs;
    let definition = read_definition("w", TRAIN).definition.expect("sound");
    let parse = |given: &[(&str, &str)]| {
        let given: Vec<_> = given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        parse_inputs(&definition, &given)
            .map(|values| Json::Object(values).to_string())
            .map_err(|error| format!("{error}; {}", error.hint))
    };
    for (given, expected) in [
        (&[("dataset", "a")][..], Ok("{\"dataset\":\"a\",\"epochs\":3,\"folds\":[1,2,3]}")),
        (&[("dataset", "12"), ("epochs", "5"), ("folds", "[]")], Ok("{\"dataset\":\"12\",\"epochs\":5,\"folds\":[]}")),
        (&[], Err("the input `dataset` is missing; give `--input dataset=VALUE` (string)")),
        (&[("datset", "a")], Err("`w` has no input `datset`; did you mean `dataset`?")),
        (
            &[("epochs", "many")],
            Err("the input `epochs` must be a whole number, not `many`; give `--input 'epochs=3'`"),
        ),
        (&[("dataset", "a"), ("dataset", "b")], Err("the input `dataset` is given twice; give it once")),
    ] {
        assert_eq!(parse(given), expected.map(str::to_owned).map_err(str::to_owned), "{given:?}");
    }
}
