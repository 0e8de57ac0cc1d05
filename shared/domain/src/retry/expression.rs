//! Delays by expression: the language of QStash's `Upstash-Retry-Delay`, such as `pow(2, retried) * 1000`.
//!
//! **Invariant:** an [`Expression`] is well-formed and small, so evaluating it is quick and cannot fail.
//! The depth of its nesting is bounded while it is read, so no text can exhaust the stack.

mod parser;

use serde::{Deserialize, Serialize};

use self::parser::Parser;

/// The longest text of an expression.
pub const EXPRESSION_MAX_BYTES: usize = 256;
/// A day in milliseconds: the most that an expression can come to.
const LONGEST_MS: f64 = 86_400_000.0;

/// A delay in milliseconds as an expression in `retried`, the automatic retries made so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
    root: Node,
}

/// A text that is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidExpression {
    /// The text is too long to be read.
    #[error("must be at most {EXPRESSION_MAX_BYTES} bytes")]
    TooLong,
    /// Something is wrong at a place.
    #[error("must be an expression; at {at}: {problem}")]
    At {
        /// The place, counted in characters from 1.
        at: usize,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong at a place of an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text ends where something must follow.
    #[error("unexpected end")]
    End,
    /// A character stands where it can't.
    #[error("unexpected {0:?}")]
    Unexpected(char),
    /// A word is neither the variable nor a function.
    #[error("unknown name {0:?}")]
    UnknownName(String),
    /// A function has too few or too many arguments.
    #[error("{name} takes {takes}")]
    Arguments {
        /// The function.
        name: &'static str,
        /// How many it takes.
        takes: &'static str,
    },
    /// A number is beyond what can be counted with.
    #[error("number is too large")]
    TooLarge,
    /// Parentheses stand in parentheses too often.
    #[error("nested too deeply")]
    TooDeep,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Retried,
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    Extreme(Extreme, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unary {
    Negate,
    Sqrt,
    Abs,
    Exp,
    Floor,
    Ceil,
    Round,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extreme {
    Least,
    Greatest,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`InvalidExpression`] says what is wrong and where.
    pub fn parse(source: &str) -> Result<Self, InvalidExpression> {
        Self::try_from(source.to_owned())
    }

    /// Returns the delay in milliseconds, clamped to 0 to a day, or `None` if the expression comes
    /// to no number, as `0 / 0` does.
    #[must_use]
    pub fn millis(&self, retried: u32) -> Option<f64> {
        let value = self.root.value(f64::from(retried));
        (!value.is_nan()).then(|| value.clamp(0.0, LONGEST_MS))
    }
}

impl Node {
    fn value(&self, retried: f64) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Retried => retried,
            Self::Unary(operation, operand) => operation.of(operand.value(retried)),
            Self::Binary(operation, left, right) => {
                operation.of(left.value(retried), right.value(retried))
            }
            Self::Extreme(which, nodes) => nodes
                .iter()
                .map(|node| node.value(retried))
                .reduce(|left, right| which.of(left, right))
                .unwrap_or(f64::NAN),
        }
    }
}

impl Unary {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Negate => -value,
            Self::Sqrt => value.sqrt(),
            Self::Abs => value.abs(),
            Self::Exp => value.exp(),
            Self::Floor => value.floor(),
            Self::Ceil => value.ceil(),
            Self::Round => value.round(),
        }
    }
}

impl Binary {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
        }
    }
}

impl Extreme {
    fn of(self, left: f64, right: f64) -> f64 {
        // `f64::min` and `f64::max` pass over what is no number, which would hide it.
        if left.is_nan() || right.is_nan() {
            return f64::NAN;
        }
        match self {
            Self::Least => left.min(right),
            Self::Greatest => left.max(right),
        }
    }
}

impl TryFrom<String> for Expression {
    type Error = InvalidExpression;

    fn try_from(source: String) -> Result<Self, Self::Error> {
        if source.len() > EXPRESSION_MAX_BYTES {
            return Err(InvalidExpression::TooLong);
        }
        let root = Parser::new(&source).parse()?;
        Ok(Self { source, root })
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.source
    }
}

#[cfg(test)]
mod tests;
