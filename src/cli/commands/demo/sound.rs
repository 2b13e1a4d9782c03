//! WAV files (RIFF, PCM, 48 kHz, 16 bit, stereo) with a tone and some noise. Integers only: equal on every machine.

/// Samples per second.
pub(super) const SAMPLE_RATE: u32 = 48_000;
/// Two channels of two bytes.
const FRAME_BYTES: u32 = 4;
const CHANNELS: u16 = 2;
const BITS: u16 = 16;
/// Length of [`wav`]'s header.
pub(super) const HEADER_BYTES: usize = 44;

/// Bytes of this much sound.
pub(super) fn bytes_of_ms(duration_ms: u32) -> u32 {
    SAMPLE_RATE / 1000 * duration_ms * FRAME_BYTES
}

/// Milliseconds that so many bytes sound.
pub(super) fn duration_of(data_bytes: u32) -> u32 {
    data_bytes / (SAMPLE_RATE / 1000 * FRAME_BYTES)
}

/// Milliseconds of sound in a file, by its header; `None` if it is no such file.
pub(super) fn duration_ms(header: &[u8]) -> Option<u32> {
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let named = header.starts_with(b"RIFF") && header.get(8..16)? == b"WAVEfmt " && header.get(36..40)? == b"data";
    (named && word(24)? == SAMPLE_RATE).then(|| word(40).map(duration_of))?
}

/// A file with `data_bytes` of sound, rounded down to whole frames. `pitch` is in hertz.
///
/// Each second begins at another place of one computed bar, so that no two parts are equal and 64 MiB take no time.
pub(super) fn wav(data_bytes: u32, pitch: u32, seed: u64) -> Vec<u8> {
    let data_bytes = data_bytes / FRAME_BYTES * FRAME_BYTES;
    let bar = bar(pitch, seed);
    let mut file = header(data_bytes);
    let end = HEADER_BYTES + usize::try_from(data_bytes).unwrap_or(0);
    let mut begins_at = 0;
    while file.len() < end {
        let (before, after) = bar.split_at(begins_at);
        file.extend_from_slice(after);
        file.extend_from_slice(before);
        begins_at = (begins_at + BAR_STEP_BYTES) % bar.len();
    }
    file.truncate(end);
    file
}

/// A prime number of frames: as many different seconds as a second has frames.
const BAR_STEP_BYTES: usize = 7_919 * 4;

/// One second of sound.
fn bar(pitch: u32, seed: u64) -> Vec<u8> {
    let period = (SAMPLE_RATE / pitch.clamp(20, 8_000)).max(2);
    let tone: Vec<i16> = (0..period).map(|at| sine(at, period)).collect();
    let mut noise = seed | 1;
    let mut bar = Vec::new();
    for (tone, _) in tone.iter().cycle().zip(0..SAMPLE_RATE) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        let [left, right, ..] = noise.to_le_bytes();
        bar.extend_from_slice(&(tone + i16::from(left)).to_le_bytes());
        bar.extend_from_slice(&(tone - i16::from(right)).to_le_bytes());
    }
    bar
}

fn header(data_bytes: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES + usize::try_from(data_bytes).unwrap_or(0));
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    header.extend_from_slice(&CHANNELS.to_le_bytes());
    header.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    header.extend_from_slice(&(SAMPLE_RATE * FRAME_BYTES).to_le_bytes());
    header.extend_from_slice(&(CHANNELS * BITS / 8).to_le_bytes());
    header.extend_from_slice(&BITS.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    header
}

/// Two parabolas, which no ear tells from a sine.
fn sine(at: u32, period: u32) -> i16 {
    const AMPLITUDE: i64 = 12_000;
    let (at, half) = (i64::from(at), i64::from(period) / 2);
    let (at, sign) = if at < half { (at, 1) } else { (at - half, -1) };
    i16::try_from(sign * AMPLITUDE * 4 * at * (half - at) / (half * half).max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_length_that_its_header_says_and_is_not_silent() {
        let file = wav(bytes_of_ms(250), 220, 7);
        assert_eq!(file.len(), HEADER_BYTES + 48_000);
        assert_eq!(duration_ms(&file), Some(250));
        assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()), 48_036);
        let loudest = file[44..].chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs()).max();
        assert!(loudest.is_some_and(|loudest| (11_000..16_000).contains(&loudest)), "{loudest:?}");
        assert_eq!(duration_ms(b"RIFF, but no more"), None);
    }
}
