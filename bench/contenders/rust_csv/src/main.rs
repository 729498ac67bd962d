//! The crate `csv` as a contender: the bytes of a CSV file of game rounds into typed columns.
//! Records are read into one ByteRecord, the way its tutorial names the fastest; numbers and times
//! are parsed by hand. Prints one line of JSON. `rust_csv FILE`, one thread.
use std::fs;
use std::time::Instant;

const BATCH: usize = 65_536;
const MICROS: i64 = 1_000_000;

/// A text column: all bytes in one buffer, as columnar formats have it.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Text {
    fn push(&mut self, cell: &[u8]) -> Option<()> {
        std::str::from_utf8(cell).ok()?;
        self.bytes.extend_from_slice(cell);
        self.ends.push(self.bytes.len());
        Some(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[derive(Default)]
struct Columns {
    created_ms: Vec<i64>,
    instance: Vec<u64>,
    player: Text,
    game: Vec<u64>,
    amounts: [Vec<i64>; 4],
    game_name: Text,
    provider: Text,
}

impl Columns {
    fn push(&mut self, record: &csv::ByteRecord) -> Option<()> {
        self.created_ms.push(timestamp_ms(&record[0])?);
        self.instance.push(integer(&record[1])?);
        self.player.push(&record[2])?;
        self.game.push(integer(&record[3])?);
        for (column, cell) in self.amounts.iter_mut().zip(4..) {
            column.push(amount_micros(&record[cell])?);
        }
        self.game_name.push(&record[8])?;
        self.provider.push(&record[9])
    }

    fn clear(&mut self) {
        self.created_ms.clear();
        self.instance.clear();
        self.player.clear();
        self.game.clear();
        self.amounts.iter_mut().for_each(Vec::clear);
        self.game_name.clear();
        self.provider.clear();
    }
}

fn integer(cell: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for byte in cell {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!cell.is_empty()).then_some(value)
}

fn amount_micros(cell: &[u8]) -> Option<i64> {
    if cell.is_empty() || cell == b"NaN" {
        return Some(0);
    }
    let (mut digits, mut scale, mut point, mut any) = (0i64, 0i32, false, false);
    for (at, byte) in cell.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits = digits
                    .checked_mul(10)?
                    .checked_add(i64::from(byte - b'0'))?;
                scale += i32::from(point);
                any = true;
            }
            b'.' if !point => point = true,
            b'e' | b'E' if any => {
                let exponent: i32 = std::str::from_utf8(&cell[at + 1..]).ok()?.parse().ok()?;
                scale = scale.checked_sub(exponent)?;
                break;
            }
            _ => return None,
        }
    }
    if !any {
        return None;
    }
    while scale > 6 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    let missing = u32::try_from(6 - scale).ok()?;
    digits.checked_mul(10i64.checked_pow(missing)?)
}

/// "2019-10-01 00:00:02" in UTC.
fn timestamp_ms(cell: &[u8]) -> Option<i64> {
    if cell.len() != 19
        || [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')]
            .iter()
            .any(|(at, byte)| cell[*at] != *byte)
    {
        return None;
    }
    let part = |from: usize, to: usize| integer(&cell[from..to]).map(|value| value as i64);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > days_of_month || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01, counted in years that begin in March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/// Processor time and peak memory of this process, as Linux counts them.
fn usage() -> (f64, u64) {
    let stat = fs::read_to_string("/proc/self/schedstat").expect("/proc");
    let nanoseconds: f64 = stat.split(' ').next().unwrap().parse().unwrap();
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    (nanoseconds / 1e9, kilobytes * 1024)
}

fn main() {
    let path = std::env::args().nth(1).expect("FILE");
    let (cpu_began, _) = usage();
    let began = Instant::now();
    let mut reader = csv::Reader::from_path(path).expect("the file opens");
    let (mut columns, mut record) = (Columns::default(), csv::ByteRecord::new());
    let (mut rows, mut sums) = (0u64, [0i64; 4]);
    while reader.read_byte_record(&mut record).expect("CSV") {
        columns.push(&record).expect("a good row");
        rows += 1;
        if rows as usize % BATCH == 0 {
            add(&mut sums, &columns);
            columns.clear();
        }
    }
    add(&mut sums, &columns);
    let seconds = began.elapsed().as_secs_f64();
    let (cpu_ended, peak) = usage();
    let sums: Vec<String> = sums
        .iter()
        .map(|sum| format!("\"{}.{:06}\"", sum / MICROS, sum % MICROS))
        .collect();
    println!(
        "{{\"seconds\":{seconds:.6},\"cpu_s\":{:.6},\"peak_memory_bytes\":{peak},\"rows\":{rows},\"sums\":[{}]}}",
        cpu_ended - cpu_began,
        sums.join(",")
    );
}

fn add(sums: &mut [i64; 4], columns: &Columns) {
    for (sum, column) in sums.iter_mut().zip(&columns.amounts) {
        *sum += column.iter().sum::<i64>();
    }
}
