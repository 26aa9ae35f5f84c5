use super::{Copy, is_prepared};
use crate::{
    media::{Wish, library::Library, prepared::format::Numbers, synth::programme},
    pace::Pace,
    prepare::Original,
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

/// A film and its copy.
struct Prepared {
    dir: tempfile::TempDir,
}

impl Prepared {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let prepared = Self { dir };
        let (octets, _) = programme(6.0, 77, |time| 4e6 + 3e6 * time.sin());
        fs::write(prepared.film(), octets).expect("room for it");
        prepared.write();
        prepared
    }

    fn film(&self) -> PathBuf {
        self.dir.path().join("a.ts")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("a.krtp")
    }

    fn write(&self) {
        let original = Original::open(&self.film(), &Wish::default(), Pace::Pcr).expect("a film");
        let library = Library::new(None);
        original.write(&self.path(), Numbers::default(), &library, &mut |_, _| true).expect("room for it");
    }

    /// What is said of the copy by who looks at all of it.
    fn says(&self) -> String {
        let looked = Copy::open(&self.path()).and_then(|copy| {
            copy.check_source()?;
            copy.check_all(|_, _| {})?;
            Ok(())
        });
        let text = looked.map_or_else(|error| error.to_string(), |()| "sound".into());
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }

    fn flip(&self, octet: u64) {
        let file = File::options().read(true).write(true).open(self.path()).expect("ours");
        let mut one = [0];
        file.read_exact_at(&mut one, octet).expect("it is that long");
        file.write_all_at(&[!one[0]], octet).expect("room for it");
    }

    fn len(&self) -> u64 {
        fs::metadata(self.path()).expect("ours").len()
    }
}

type Damage<'a> = &'a dyn Fn(&Prepared);

#[test]
fn damage_of_each_kind_is_named() {
    let again = "make it again with `krtp prepare a.ts -o a.krtp`";
    let unknown = "make it again with `krtp prepare FILE -o a.krtp`";
    let length = Prepared::new().len();
    let cases: [(&str, Damage<'_>, String); 8] = [
        ("nothing", &|_| {}, "sound".into()),
        (
            "magic",
            &|it| it.flip(3),
            "a.krtp is no prepared file: make one of a media file with `krtp prepare FILE`".into(),
        ),
        (
            "version",
            &|it| it.flip(8),
            format!("a.krtp is a prepared file of version 254, and this krtp knows version 1: {unknown}"),
        ),
        (
            "head",
            &|it| it.flip(90),
            format!("a.krtp is damaged: its head is not as it was written; {unknown}"),
        ),
        (
            "cut short",
            &|it| {
                File::options().write(true).open(it.path()).expect("ours").set_len(length - 1).expect("ours");
            },
            format!("a.krtp is damaged: it has {} octets instead of {length}; {again}", length - 1),
        ),
        (
            "a second block's packet",
            &|it| it.flip(4096 + (1 << 20) + 5000),
            format!("a.krtp is damaged: octets 1052672 to 2101247 are not as they were written; {again}"),
        ),
        ("clock", &|it| it.flip(length - 200), "its clock and checksums, from octet ".into()),
        ("tail", &|it| it.flip(length - 1), "its clock and checksums, from octet ".into()),
    ];
    for (case, damage, says) in cases {
        let prepared = Prepared::new();
        damage(&prepared);
        let said = prepared.says();
        assert!(said == says || (says.ends_with("octet ") && said.contains(&says)), "{case}: {said}");
    }
}

#[test]
fn a_block_is_looked_at_before_it_is_sent_and_no_sooner() {
    let prepared = Prepared::new();
    prepared.flip(4096 + (1 << 20) + 5000);
    let copy = Copy::open(&prepared.path()).expect("its head is sound");
    let mut buffer = Vec::new();
    let place = |packets: std::ops::Range<u64>| {
        let batch = copy.plan().batch(packets.start, (packets.end - packets.start) as usize);
        copy.place(&batch)
    };
    copy.check(place(0..700), &mut buffer).expect("the first block is sound");
    copy.check(place(760..800), &mut buffer).expect_err("this reaches into the second");
    copy.check(place(800..801), &mut buffer).expect_err("it stays damaged");
}

#[test]
fn a_copy_of_what_the_file_was_is_stale() {
    let prepared = Prepared::new();
    assert_eq!(prepared.says(), "sound");
    let stale = "a.krtp is a copy of what a.ts was before it changed; \
                 make it again with `krtp prepare a.ts -o a.krtp`";
    let mut octets = fs::read(prepared.film()).expect("ours");
    octets.rotate_left(188 * 7);
    fs::write(prepared.film(), octets).expect("ours");
    assert_eq!(prepared.says(), stale);
    prepared.write();
    assert_eq!(prepared.says(), "sound", "it was made again");
    // Nobody can tell any more.
    fs::remove_file(prepared.film()).expect("ours");
    assert_eq!(prepared.says(), "sound", "the film is gone");
}

#[test]
fn only_prepared_files_are() {
    let prepared = Prepared::new();
    assert!(is_prepared(&prepared.path()));
    assert!(!is_prepared(&prepared.film()));
    assert!(!is_prepared(prepared.dir.path()));
    assert!(!is_prepared(&prepared.dir.path().join("gone")));
    let short = prepared.dir.path().join("short");
    fs::write(&short, "krtp").expect("room for it");
    assert!(!is_prepared(&short));
}
