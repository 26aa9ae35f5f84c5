//! `krtp doctor --load`: the loaded program and its maps, part by part.

use crate::kernel::object::{BY_SLOT, EGRESS, LoadError, Object};
use anyhow::{Context, Result};
use aya::{
    maps::{Map, MapData, MapInfo},
    programs::ProgramInfo,
};
use indicatif::HumanCount;

/// Flows to make room for: what `krtp attach` does by itself.
const FLOWS: u32 = 64;
/// Octets of an instruction.
const INSTRUCTION: u32 = 8;

/// Loads the object through the verifier and lists what it is made of.
pub fn listing() -> Result<String> {
    let mut object = Object::load(FLOWS)?;
    let mut programs = Vec::new();
    for name in [EGRESS, BY_SLOT] {
        programs.push(program(&mut object, name).with_context(|| format!("program {name}"))?);
    }
    let mut text = table(["program", "tag", "instructions", "verified", "octets compiled"], &programs);
    text += "\n";
    let mut maps = Vec::new();
    for (name, data) in parts(&object) {
        maps.push(map(name, &data.info().with_context(|| format!("map {name}"))?));
    }
    maps.sort();
    text += &table(["map", "kind", "key octets", "value octets", "entries"], &maps);
    Ok(text)
}

fn program(object: &mut Object, name: &'static str) -> Result<[String; 5]> {
    let program = object.program(name)?;
    let info = program.info().map_err(|source| LoadError::Verifier { name, source })?;
    Ok(row(name, &info))
}

fn row(name: &str, info: &ProgramInfo) -> [String; 5] {
    let count = |number: Option<u32>| number.map_or_else(|| "-".into(), |number| number.to_string());
    [
        name.to_owned(),
        format!("{:016x}", info.tag()),
        count(info.size_translated().map(|octets| octets / INSTRUCTION)),
        count(info.verified_instruction_count()),
        count(Some(info.size_jitted()).filter(|octets| *octets > 0)),
    ]
}

/// The maps: those that [`Object`] works on, and the rest.
fn parts(object: &Object) -> Vec<(&str, &MapData)> {
    let maps = &object.maps;
    let mut parts =
        vec![("FLOWS", maps.flows.data()), ("NOTES", maps.notes.data()), ("SOCKETS", maps.sockets.data())];
    parts.extend(object.ebpf.maps().filter_map(|(name, map)| Some((name, data(map)?))));
    parts
}

/// The kinds of which the object has any beside those.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::PerCpuArray(data) | Map::RingBuf(data) | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}

fn map(name: &str, info: &MapInfo) -> [String; 5] {
    [
        name.to_owned(),
        info.map_type().map_or_else(|_| "-".into(), |kind| format!("{kind:?}")),
        info.key_size().to_string(),
        info.value_size().to_string(),
        HumanCount(info.max_entries().into()).to_string(),
    ]
}

/// Two columns of words, then three of numbers.
fn table(head: [&str; 5], rows: &[[String; 5]]) -> String {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    all().fold(String::new(), |mut text, row| {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let space = if column == 0 { "" } else { "  " };
            let cell = if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            text.extend([space, &cell]);
        }
        text + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn numbers_stand_under_each_other() {
        let rows = [["FLOWS", "Array", "4", "384", "64"], ["SKIPPED", "PerCpuArray", "4", "8", "2"]];
        let expected = "\
map      kind         key octets  value octets  entries
FLOWS    Array                 4           384       64
SKIPPED  PerCpuArray           4             8        2
";
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(table(["map", "kind", "key octets", "value octets", "entries"], &rows), expected);
    }
}
