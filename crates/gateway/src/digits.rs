//! Numbers as text, straight into a buffer: the formatting machinery of the standard library costs
//! more than the numbers a request needs are worth.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a number in decimal.
pub(crate) fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a remainder of ten fits a byte");
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Writes `number` in hexadecimal so that it ends before `end`; says where it starts.
pub(crate) fn put_hex_before(bytes: &mut [u8], end: usize, mut number: usize) -> usize {
    let mut start = end;
    for slot in bytes.get_mut(..end).unwrap_or_default().iter_mut().rev() {
        *slot = HEX[number % 16];
        number /= 16;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    start
}

/// Two digits for every byte: a table, since ids are written for each request.
static PAIRS: [[u8; 2]; 256] = pairs();

const fn pairs() -> [[u8; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [HEX[byte >> 4], HEX[byte & 15]];
        byte += 1;
    }
    table
}

/// The 16 hexadecimal digits of a number, most significant first.
pub(crate) fn hex(number: u64) -> [u8; 16] {
    let mut out = [[0; 2]; 8];
    for (slot, byte) in out.iter_mut().zip(number.to_be_bytes()) {
        *slot = PAIRS[usize::from(byte)];
    }
    let mut digits = [0; 16];
    digits.copy_from_slice(out.as_flattened());
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_should() {
        for number in [0, 7, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
        for number in [0, 1, 15, 16, 0x3fff0] {
            let mut bytes = [b'.'; 10];
            let start = put_hex_before(&mut bytes, 8, number);
            assert_eq!(bytes[start..8], *format!("{number:x}").as_bytes());
        }
        assert_eq!(&hex(0xabc), b"0000000000000abc");
        assert_eq!(&hex(0xfedc_ba98_7654_3210), b"fedcba9876543210");
    }
}
