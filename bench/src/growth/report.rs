//! What was measured, as tables for people and as JSON for programs.

use super::{
    cold::Cold,
    cores::Cores,
    memory::Memory,
    series::{Series, write_line},
};
use crate::{media::PAYLOAD, report::Conditions};
use serde_json::{Map, Value, json};

/// All that was measured.
#[derive(Debug, Default)]
pub struct Report {
    pub series: Vec<Series>,
    pub memory: Vec<Memory>,
    pub cores: Vec<Cores>,
    pub cold: Vec<Cold>,
}

impl Report {
    /// One object.
    pub fn json(&self, conditions: &Conditions) -> Value {
        let series = self.series.iter().map(|series| (series.key.clone(), series.json()));
        let mut object: Map<String, Value> = series.collect();
        object.insert("memory_per_flow".into(), json!(self.memory));
        let cores = self.cores.iter().map(|cores| (cores.key.clone(), cores.json()));
        object.insert("cores".into(), cores.collect::<Map<_, _>>().into());
        let cold = self.cold.iter().map(|cold| (cold.key.to_owned(), cold.json()));
        object.insert("cold".into(), cold.collect::<Map<_, _>>().into());
        object.insert("payload_octets".into(), json!(PAYLOAD));
        object.insert("packets_per_turn".into(), json!(conditions.packets));
        object.insert("kernel".into(), json!(conditions.kernel));
        object.insert("cpu".into(), json!(conditions.cpu));
        object.insert("date".into(), json!(conditions.date));
        object.into()
    }

    /// Tables of at most 80 columns.
    pub fn tables(&self, conditions: &Conditions) -> String {
        let Conditions { kernel, cpu, date, packets } = conditions;
        let mut text = format!(
            "{date}, Linux {kernel:.50}\n{cpu:.80}\n\
             CPU time per packet of {PAYLOAD} octets, unpaced, to an ifb without segmentation\n\
             offload where nothing else is said; {packets} packets a turn, ratios within a\n\
             round.\n\n",
        );
        for series in &self.series {
            series.table(&mut text);
        }
        self.memory_table(&mut text);
        self.cores_table(&mut text);
        self.cold_table(&mut text);
        text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }

    fn cores_table(&self, text: &mut String) {
        if self.cores.is_empty() {
            return;
        }
        let mut line = |title: &str, cells: [String; 5]| write_line(text, title, 40, &cells, 8);
        line(
            "two cores by one, packets a second",
            ["one, /s", "by time", "low", "high", "by CPU"].map(Into::into),
        );
        for cores in &self.cores {
            let (one, time, cpu) = (
                cores.spread(|round| round.one),
                cores.spread(|round| round.by_time),
                cores.spread(|round| round.by_cpu),
            );
            let [median, low, high, cpu] =
                [time.median, time.low, time.high, cpu.median].map(|ratio| format!("{ratio:.2}"));
            line(&cores.title, [format!("{:.0}", one.median), median, low, high, cpu]);
        }
        line("", Default::default());
    }

    fn cold_table(&self, text: &mut String) {
        if self.cold.is_empty() {
            return;
        }
        let mut line = |title: &str, cells: [String; 4]| write_line(text, title, 36, &cells, 11);
        line("kernel engine, file on disk", ["waits", "ns/packet", "latest", "MB/s"].map(Into::into));
        for cold in &self.cold {
            for (which, how) in ["read ahead", "on demand"].into_iter().enumerate() {
                let median = |of| cold.spread(which, of).median;
                line(
                    &format!("{}, {how}", cold.title),
                    [
                        format!("{:.2} %", median(|turn| turn.blocked) * 100.0),
                        format!("{:.0}", median(|turn| turn.cpu)),
                        format!("{:.2} ms", median(|turn| turn.latest)),
                        format!("{:.0}", median(|turn| turn.speed)),
                    ],
                );
            }
        }
        line("", Default::default());
    }

    fn memory_table(&self, text: &mut String) {
        if self.memory.is_empty() {
            return;
        }
        let mut line = |cells: [String; 6]| {
            let [name, cells @ ..] = cells;
            write_line(text, &name, 18, &cells, 12);
        };
        line(["octets for a flow", "maps", "kernel", "process", "page tables", "in all"].map(Into::into));
        for Memory { engine, maps, kernel, process, page_tables, .. } in &self.memory {
            let all = maps + kernel + process + page_tables;
            let [maps, kernel, process, tables, all] =
                [maps, kernel, process, page_tables, &all].map(|octets| format!("{octets:.0}"));
            line([(*engine).to_owned(), maps, kernel, process, tables, all]);
        }
        line(Default::default());
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            cold::{Cold, Turn},
            cores::{Cores, Round},
            memory::Memory,
        },
        Report, Series,
    };
    use crate::report::Conditions;

    fn report() -> (Report, Conditions) {
        let series = Series {
            key: "flows_kernel_in_turns".into(),
            title: "prepared file, interface with segmentation offload".into(),
            across: "packets in a batch",
            at: vec![1, 2, 4, 8, 16, 32, 10_000],
            base: 0,
            // The machine is ten times as slow in the second round.
            rounds: [1.0, 10.0, 1.2]
                .map(|mood| [1e4, 5e3, 3e3, 2e3, 1e3, 9e2, 8e2].map(|ns| ns * mood).into())
                .into(),
        };
        let memory = Memory {
            engine: "kernel",
            flows: 4_000,
            maps: 5122.0,
            kernel: 2800.0,
            process: 100_000.0,
            page_tables: 4096.0,
        };
        let cores = Cores {
            key: "prepared_offload_interface_each".into(),
            title: "prepared, offload, an interface each".into(),
            rounds: vec![Round { one: 12_345_678.0, by_time: 1.9, by_cpu: 1.95 }],
        };
        let turn = Turn { blocked: 0.987, late: 12_345.67, latest: 9_999.99, cpu: 12_345.0, speed: 1_234.0 };
        let cold = Cold { key: "fifty", title: "50 flows, 20 Mb/s each", rounds: vec![[turn; 2]] };
        let conditions = Conditions {
            kernel: "6.18.44-some-rather-long-name-amd64".into(),
            cpu: "A processor with a name that goes on and on and on @ 2.90GHz".into(),
            date: "2026-11-23T00:00:00Z".into(),
            packets: 27_788,
        };
        (
            Report { series: vec![series], memory: vec![memory], cores: vec![cores], cold: vec![cold] },
            conditions,
        )
    }

    #[test]
    fn tables_fit_80_columns() {
        let (report, conditions) = report();
        for line in report.tables(&conditions).lines() {
            assert!(line.chars().count() <= 80, "too wide: {line}");
        }
    }

    #[test]
    fn ratios_are_within_a_round() {
        let (report, conditions) = report();
        let json = report.json(&conditions);
        for (key, expected) in [
            ("/flows_kernel_in_turns/ns_per_packet/0/median", 12_000.0),
            ("/flows_kernel_in_turns/of_base/6/median", 0.08),
            ("/flows_kernel_in_turns/of_base/6/high", 0.08),
            ("/flows_kernel_in_turns/at/6", 10_000.0),
            ("/memory_per_flow/0/maps", 5122.0),
        ] {
            let value = json.pointer(key).and_then(serde_json::Value::as_f64).expect(key);
            assert!((value - expected).abs() < 1e-9, "{key}: {value}, not {expected}");
        }
    }
}
