//! Targets for fuzzing parsers: whatever comes in, a parser ends soon, does not panic, and holds what it promises.
//! A dev-dependency only.
//!
//! A target reads its examples from a committed corpus, the folder `corpus/<target>` of its package, and tries each
//! of them, then inputs that are near them: random bytes seldom get past the first character of a parser, what is
//! nearly right gets everywhere. `PROPTEST_CASES` says how many. An input that fails is made as small as it gets
//! and put into the corpus, where it is tried first from then on.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

mod message;
mod mutation;
mod shrinking;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};

pub use self::message::message;

/// How many inputs a target tries unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 3_000;
/// How long a parser may take for one input, in a debug build.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a slow input is tried: the fastest counts, for the machine may have been busy.
const TRIES: usize = 3;
/// How long a failing input is made smaller, twice: first by what it was made of, then byte by byte.
const SHRINKING: Duration = Duration::from_secs(30);

/// A parser that is tried on many inputs.
#[derive(Debug)]
pub struct Target {
    folder: PathBuf,
    /// The examples with their names, in order.
    corpus: Vec<(String, Vec<u8>)>,
    words: &'static [&'static str],
}

/// What a target says about an input.
pub type Verdict = Result<(), TestCaseError>;

impl Target {
    /// Makes a target of a package, which is given by its folder. `words` are what the parser knows, put in at all
    /// places.
    ///
    /// # Panics
    /// If it has no corpus.
    #[must_use]
    pub fn new(package: &str, name: &str, words: &'static [&'static str]) -> Self {
        let folder = Path::new(package).join("corpus").join(name);
        let files = fs::read_dir(&folder).expect("a target has a folder in the corpus");
        let mut corpus: Vec<_> = files
            .map(|file| {
                let file = file.expect("the corpus is readable");
                let name = file.file_name().to_string_lossy().into_owned();
                (name, fs::read(file.path()).expect("an example is readable"))
            })
            .collect();
        corpus.sort();
        assert!(!corpus.is_empty(), "the corpus of {name} has examples");
        Self {
            folder,
            corpus,
            words,
        }
    }

    /// Tries all examples, and inputs near them.
    ///
    /// # Panics
    /// On the first that fails.
    pub fn check(&self, parser: impl Fn(&[u8]) -> Verdict) {
        for (name, example) in &self.corpus {
            if let Err(reason) = tried(&parser, example) {
                panic!("the example {name} of the corpus: {reason}");
            }
        }
        let examples = self.corpus.iter().map(|(_, example)| example.clone());
        let inputs = mutation::near(examples.collect(), self.words);
        let result = TestRunner::new(config()).run(&inputs, |input| tried(&parser, &input));
        match result {
            Ok(()) => {}
            Err(TestError::Fail(_, input)) => self.keep(&parser, &input),
            Err(error @ TestError::Abort(_)) => panic!("{error}"),
        }
    }

    /// Tries all examples as texts, and texts near them; what is no UTF-8 is replaced.
    ///
    /// # Panics
    /// On the first that fails.
    pub fn check_text(&self, parser: impl Fn(&str) -> Verdict) {
        self.check(|input| parser(&String::from_utf8_lossy(input)));
    }

    /// Puts an input that fails into the corpus, as small as it gets, and fails.
    fn keep(&self, parser: &impl Fn(&[u8]) -> Verdict, input: &[u8]) {
        let until = Instant::now() + SHRINKING;
        let fails = |input: &[u8]| Instant::now() < until && tried(parser, input).is_err();
        let least = shrinking::least(input, fails);
        let reason = tried(parser, &least).expect_err("it fails as it did before");
        let name = format!("found-{}", shrinking::fingerprint(&least));
        let path = self.folder.join(name);
        let kept = fs::write(&path, &least);
        let (path, input) = (path.display(), String::from_utf8_lossy(&least));
        panic!("{reason}\ninput ({path}, kept: {kept:?}): {input}");
    }
}

/// Tries an input; a panic and too long a time are failures as any other.
fn tried(parser: &impl Fn(&[u8]) -> Verdict, input: &[u8]) -> Verdict {
    for _ in 0..TRIES {
        let began = Instant::now();
        let verdict = catch_unwind(AssertUnwindSafe(|| parser(input)));
        let took = began.elapsed();
        verdict.unwrap_or_else(|_panic| Err(TestCaseError::fail("it panicked")))?;
        if took < PATIENCE {
            return Ok(());
        }
    }
    let reason = format!("{} bytes take longer than {PATIENCE:?}", input.len());
    Err(TestCaseError::fail(reason))
}

fn config() -> ProptestConfig {
    // `PROPTEST_CASES` is in it already.
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(CASES),
        max_shrink_time: u32::try_from(SHRINKING.as_millis()).unwrap_or(u32::MAX),
        // The corpus remembers what failed.
        failure_persistence: None,
        ..asked
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, tried};

    fn target() -> Target {
        Target::new(env!("CARGO_MANIFEST_DIR"), "example", &["\"b\""])
    }

    #[test]
    fn many_inputs_are_other_than_the_example_and_few_are_rubbish() {
        let (mut changed, mut kept, mut all) = (0, 0, 0);
        let counted = std::cell::RefCell::new((&mut changed, &mut kept, &mut all));
        target().check(|input| {
            let (changed, kept, all) = &mut *counted.borrow_mut();
            **changed += u32::from(input != b"{\"a\": [1, 2]}");
            **kept += u32::from(input.starts_with(b"{\""));
            **all += 1;
            Ok(())
        });

        assert!(changed > all / 2, "{changed} of {all}");
        assert!(kept > all / 4, "{kept} of {all}");
    }

    #[test]
    fn a_panic_is_a_failure() {
        assert!(tried(&|_: &[u8]| panic!("on purpose"), b"").is_err());
        assert!(tried(&|_: &[u8]| Ok(()), b"").is_ok());
    }
}
