//! Reads an expression by recursive descent: sums of products of factors.

use super::{Binary, Extreme, InvalidExpression, Node, Problem, Unary};

/// The deepest nesting of parentheses and calls.
const DEPTH_MAX: usize = 32;
/// The most arguments of `min` and `max`.
const ARGUMENTS_MAX: usize = 16;
/// How much of an unknown name is repeated.
const NAME_SHOWN_CHARS: usize = 32;

pub(super) struct Parser<'a> {
    source: &'a str,
    /// In bytes; everything before it is ASCII, so that it counts characters too.
    position: usize,
    depth: usize,
}

#[derive(Clone, Copy)]
enum Function {
    Pow,
    Of(Unary),
    Extreme(Extreme),
}

/// Each function under its name, with what it takes.
const FUNCTIONS: [(&str, Function, &str); 9] = [
    ("pow", Function::Pow, "2 arguments"),
    ("sqrt", Function::Of(Unary::Sqrt), "1 argument"),
    ("abs", Function::Of(Unary::Abs), "1 argument"),
    ("exp", Function::Of(Unary::Exp), "1 argument"),
    ("floor", Function::Of(Unary::Floor), "1 argument"),
    ("ceil", Function::Of(Unary::Ceil), "1 argument"),
    ("round", Function::Of(Unary::Round), "1 argument"),
    (
        "min",
        Function::Extreme(Extreme::Least),
        "1 to 16 arguments",
    ),
    (
        "max",
        Function::Extreme(Extreme::Greatest),
        "1 to 16 arguments",
    ),
];

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            position: 0,
            depth: 0,
        }
    }

    pub(super) fn parse(mut self) -> Result<Node, InvalidExpression> {
        let root = self.sum()?;
        match self.peek() {
            None => Ok(root),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn sum(&mut self) -> Result<Node, InvalidExpression> {
        let mut left = self.product()?;
        loop {
            let operation = match self.peek() {
                Some('+') => Binary::Add,
                Some('-') => Binary::Subtract,
                _ => return Ok(left),
            };
            self.position += 1;
            left = Node::Binary(operation, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Node, InvalidExpression> {
        let mut left = self.factor()?;
        loop {
            let operation = match self.peek() {
                Some('*') => Binary::Multiply,
                Some('/') => Binary::Divide,
                _ => return Ok(left),
            };
            self.position += 1;
            left = Node::Binary(operation, Box::new(left), Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Result<Node, InvalidExpression> {
        let mut is_negated = false;
        while self.take('-') {
            is_negated = !is_negated;
        }
        let operand = self.operand()?;
        Ok(if is_negated {
            Node::Unary(Unary::Negate, Box::new(operand))
        } else {
            operand
        })
    }

    fn operand(&mut self) -> Result<Node, InvalidExpression> {
        match self.peek() {
            Some('(') => self.nested(|parser| {
                let inner = parser.sum()?;
                parser.expect(')')?;
                Ok(inner)
            }),
            Some('0'..='9' | '.') => self.number(),
            Some('a'..='z' | 'A'..='Z' | '_') => self.named(),
            _ => Err(self.unexpected()),
        }
    }

    fn number(&mut self) -> Result<Node, InvalidExpression> {
        let rest = self.rest().as_bytes();
        let mut length = digits(rest, 0);
        if rest.get(length) == Some(&b'.') {
            length = digits(rest, length + 1);
        }
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            let exponent = length + 1 + sign;
            let end = digits(rest, exponent);
            if end > exponent {
                length = end;
            }
        }
        let text = self.rest().get(..length).unwrap_or_default();
        let Ok(number) = text.parse::<f64>() else {
            return Err(self.unexpected());
        };
        if !number.is_finite() {
            return Err(self.wrong(Problem::TooLarge));
        }
        self.position += length;
        Ok(Node::Number(number))
    }

    fn named(&mut self) -> Result<Node, InvalidExpression> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name: &str = self.rest();
        let name = name
            .find(|c| !is_of_name(c))
            .map_or(name, |end| name.get(..end).unwrap_or_default());
        let start = self.position;
        if name == "retried" {
            self.position += name.len();
            return Ok(Node::Retried);
        }
        let Some((name, function, takes)) = FUNCTIONS.into_iter().find(|known| known.0 == name)
        else {
            let shown = name.chars().take(NAME_SHOWN_CHARS).collect();
            return Err(self.wrong(Problem::UnknownName(shown)));
        };
        self.position += name.len();
        let arguments = self.arguments()?;
        function.called_with(arguments).ok_or_else(|| {
            self.position = start;
            self.wrong(Problem::Arguments { name, takes })
        })
    }

    fn arguments(&mut self) -> Result<Vec<Node>, InvalidExpression> {
        if self.peek() != Some('(') {
            return Err(self.unexpected());
        }
        self.nested(|parser| {
            let mut arguments = Vec::new();
            if parser.take(')') {
                return Ok(arguments);
            }
            loop {
                arguments.push(parser.sum()?);
                if !parser.take(',') {
                    parser.expect(')')?;
                    return Ok(arguments);
                }
            }
        })
    }

    /// Goes behind an opening parenthesis and one level deeper.
    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, InvalidExpression>,
    ) -> Result<T, InvalidExpression> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(Problem::TooDeep));
        }
        self.position += 1;
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.position..).unwrap_or_default()
    }

    /// Goes over white space and returns the character behind it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let blank = rest.len() - rest.trim_ascii_start().len();
        self.position += blank;
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.position += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, wanted: char) -> Result<(), InvalidExpression> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn unexpected(&mut self) -> InvalidExpression {
        let problem = self.peek().map_or(Problem::End, Problem::Unexpected);
        self.wrong(problem)
    }

    fn wrong(&self, problem: Problem) -> InvalidExpression {
        let at = self.position + 1;
        InvalidExpression::At { at, problem }
    }
}

impl Function {
    /// Returns the call, or `None` if the function does not take so many arguments.
    fn called_with(self, arguments: Vec<Node>) -> Option<Node> {
        match self {
            Self::Pow => {
                let [base, exponent] = <[Node; 2]>::try_from(arguments).ok()?;
                let (base, exponent) = (Box::new(base), Box::new(exponent));
                Some(Node::Binary(Binary::Power, base, exponent))
            }
            Self::Of(operation) => {
                let [operand] = <[Node; 1]>::try_from(arguments).ok()?;
                Some(Node::Unary(operation, Box::new(operand)))
            }
            Self::Extreme(which) => (1..=ARGUMENTS_MAX)
                .contains(&arguments.len())
                .then_some(Node::Extreme(which, arguments)),
        }
    }
}

/// Returns where the digits that begin at `from` end.
fn digits(text: &[u8], from: usize) -> usize {
    let behind = text.get(from..).unwrap_or_default();
    from + behind.iter().take_while(|b| b.is_ascii_digit()).count()
}
