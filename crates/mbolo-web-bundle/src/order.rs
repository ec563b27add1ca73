//! Puts similar functions of a WASM file beside each other.
//!
//! Generic Rust code is many functions that differ in little. A compressor finds most of that only nearby, and
//! compiled files come sorted by size. What a file does stays the same: every mention of a function follows it.

use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// The same program with its functions in another order.
pub fn similar_together(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.context("reading a WASM file")? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let order = order_of(&bodies);
    let mut places = vec![0; order.len()];
    for (place, function) in order.iter().enumerate() {
        places[*function] = u32::try_from(place)?;
    }
    let mut module = Module::new();
    Mover { imported, order, places }
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|error| anyhow::anyhow!("ordering a WASM file: {error}"))?;
    Ok(module.finish())
}

/// A chain from the largest function on, always to the most similar one that is left.
fn order_of(bodies: &[&[u8]]) -> Vec<usize> {
    let sketches: Vec<Sketch> = bodies.iter().map(|body| Sketch::of(body)).collect();
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let largest = left.iter().copied().max_by_key(|function| (bodies[*function].len(), *function));
    let mut chain = Vec::with_capacity(bodies.len());
    let mut next = largest;
    while let Some(here) = next {
        chain.push(here);
        left.retain(|function| *function != here);
        next = left
            .iter()
            .copied()
            .map(|function| (sketches[here].likeness(&sketches[function]), function))
            .max()
            .map(|(_, function)| function);
    }
    chain
}

/// Which short sequences of bytes a function has, as bits under their hashes.
struct Sketch {
    bits: [u64; Sketch::WORDS],
    count: u32,
}

impl Sketch {
    const WORDS: usize = 64;

    /// Bytes of a sequence: an instruction with its operand, or two short ones.
    const LENGTH: usize = 4;

    fn of(body: &[u8]) -> Self {
        let mut bits = [0_u64; Self::WORDS];
        for window in body.windows(Self::LENGTH) {
            let sequence = window.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
            // Fibonacci hashing: the upper bits are well mixed.
            let hash = (sequence.wrapping_mul(0x9e37_79b1) >> 20) as usize;
            bits[hash / 64] |= 1 << (hash % 64);
        }
        Self { bits, count: bits.iter().map(|word| word.count_ones()).sum() }
    }

    /// What two functions have in common, in millionths of what they have at all.
    fn likeness(&self, other: &Self) -> u64 {
        let common: u32 = self.bits.iter().zip(&other.bits).map(|(one, two)| (one & two).count_ones()).sum();
        let all = self.count + other.count - common;
        u64::from(common) * 1_000_000 / u64::from(all.max(1))
    }
}

/// Writes a file anew with its own functions at other places; imported ones come first and stay.
struct Mover {
    imported: u32,
    /// Which function comes at a place.
    order: Vec<usize>,
    /// The place of a function.
    places: Vec<u32>,
}

impl Reencode for Mover {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        Ok(match function.checked_sub(self.imported) {
            None => function,
            Some(own) => self.imported + self.places[own as usize],
        })
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for function in self.order.clone() {
            functions.function(self.type_index(types[function])?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, ImportSection,
        RefType, TableSection, TableType, TypeSection, ValType,
    };
    use wasmparser::{ExternalKind, Operator};

    /// Five functions behind an imported one, each exported under its number: three that only say a number, and two
    /// that call the one before.
    fn sample() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], [ValType::I32]);
        let mut imports = ImportSection::new();
        imports.import("", "outside", EntityType::Function(0));
        let (mut functions, mut exports, mut code) =
            (FunctionSection::new(), ExportSection::new(), CodeSection::new());
        for own in 0..5_u32 {
            functions.function(0);
            exports.export(&own.to_string(), ExportKind::Func, own + 1);
            let mut body = Function::new([]);
            if own % 2 == 1 {
                body.instructions().call(own).drop().nop().nop().nop().nop();
            }
            body.instructions().i32_const(100 + own as i32).end();
            code.function(&body);
        }
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 5,
            maximum: None,
            shared: false,
        });
        let mut elements = ElementSection::new();
        elements.active(
            None,
            &ConstExpr::i32_const(0),
            Elements::Functions((1..6).collect::<Vec<_>>().into()),
        );
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables);
        module.section(&exports).section(&elements).section(&code);
        module.finish()
    }

    /// What a program does, as far as it can be told without running it.
    #[derive(Debug, PartialEq)]
    struct Meaning {
        /// The name of every exported function, what it says, and what the one it calls says.
        exports: Vec<(String, i32, Option<i32>)>,
        /// What the table's functions say.
        table: Vec<i32>,
    }

    fn meaning(wasm: &[u8]) -> Meaning {
        let (mut exports, mut bodies, mut table) = (vec![], vec![], vec![]);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("it is WASM") {
                Payload::ExportSection(section) => {
                    exports = section.into_iter().map(|export| export.expect("an export")).collect();
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        if let wasmparser::ElementItems::Functions(items) = element.expect("an element").items
                        {
                            table = items.into_iter().map(|item| item.expect("a function")).collect();
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        let operators = |function: u32| {
            let reader = bodies[function as usize - 1].get_operators_reader().expect("a body");
            reader.into_iter().map(|operator| operator.expect("an operator")).collect::<Vec<_>>()
        };
        let says = |function: u32| {
            let said = operators(function).into_iter().find_map(|operator| match operator {
                Operator::I32Const { value } => Some(value),
                _ => None,
            });
            said.expect("every function says a number")
        };
        let calls = |function: u32| {
            operators(function).into_iter().find_map(|operator| match operator {
                Operator::Call { function_index } => Some(says(function_index)),
                _ => None,
            })
        };
        let mut found: Vec<_> = exports
            .iter()
            .filter(|export| export.kind == ExternalKind::Func)
            .map(|export| (export.name.to_owned(), says(export.index), calls(export.index)))
            .collect();
        found.sort();
        Meaning { exports: found, table: table.into_iter().map(says).collect() }
    }

    #[test]
    fn a_program_in_another_order_means_the_same() {
        let (before, after) = (sample(), similar_together(&sample()).expect("it can be read"));
        assert_ne!(before, after, "the two that call stand together now");
        assert_eq!(meaning(&before), meaning(&after));
    }

    #[test]
    fn what_is_alike_comes_together() {
        let (calls, counts) = (b"call call call drop end", b"0123456789 0123456789 end");
        let bodies: [&[u8]; 4] = [&calls[..], &counts[..], &calls[1..], &counts[1..]];
        assert_eq!(order_of(&bodies), [1, 3, 2, 0]);
    }
}
