//! Reads the metadata chunk at the end of an image, which upgrade tools check (reference: fwtool).

/// Magic number of a chunk's trailer.
const MAGIC: &[u8] = b"FWx0";
/// Length in bytes of a trailer: magic, checksum, kind with padding, size.
const TRAILER: usize = 16;
/// Length in bytes of the header of a metadata chunk: version and flags.
const HEADER: usize = 8;
/// Kind number of a metadata chunk.
const METADATA: u8 = 1;

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

/// CRC-32 without the final inversion.
fn crc(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256u32)
        .map(|start| (0..8).fold(start, |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))))
        .collect();
    bytes.iter().fold(u32::MAX, |crc, byte| {
        let at = (crc ^ u32::from(*byte)) & 0xFF;
        (crc >> 8) ^ table.get(at as usize).copied().unwrap_or_default()
    })
}

/// The metadata text of an image; `Ok(None)` when it has no chunk.
///
/// # Errors
/// What is wrong with a chunk.
pub(super) fn metadata(image: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut rest = image;
    let mut chunks = 0;
    while let Some(body) = rest.len().checked_sub(TRAILER) {
        let trailer = rest.get(body..).unwrap_or_default();
        if trailer.get(..4) != Some(MAGIC) {
            break;
        }
        chunks += 1;
        let before = rest.get(..body).unwrap_or_default();
        if number(trailer, 4) != Some(crc(before)) {
            return Err(format!("the checksum of chunk {chunks} from the end is wrong"));
        }
        let size = number(trailer, 12).and_then(|size| usize::try_from(size).ok());
        let start = size.and_then(|size| rest.len().checked_sub(size));
        let start = start.ok_or_else(|| format!("chunk {chunks} is larger than the image"))?;
        if trailer.get(8) == Some(&METADATA) {
            let text = rest.get(start + HEADER..body);
            return text.map(|text| Some(text.to_vec())).ok_or_else(|| "no metadata".to_owned());
        }
        rest = rest.get(..start).unwrap_or_default();
    }
    if chunks == 0 { Ok(None) } else { Err("chunks without metadata".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_chunk(mut image: Vec<u8>, kind: u8, data: &[u8]) -> Vec<u8> {
        if kind == METADATA {
            image.extend([0; HEADER]);
        }
        let size = data.len() + TRAILER + if kind == METADATA { HEADER } else { 0 };
        image.extend(data);
        let sum = crc(&image);
        image.extend(MAGIC);
        image.extend(sum.to_be_bytes());
        image.extend([kind, 0, 0, 0]);
        image.extend(u32::try_from(size).unwrap_or_default().to_be_bytes());
        image
    }

    #[test]
    fn metadata_is_found_below_a_signature() {
        let image = with_chunk(with_chunk(b"image".to_vec(), 1, b"{}\n"), 0, b"signature");
        assert_eq!(metadata(&image), Ok(Some(b"{}\n".to_vec())));
        assert_eq!(metadata(b"an image without chunks"), Ok(None));
    }

    #[test]
    fn a_changed_byte_breaks_the_checksum() {
        let mut image = with_chunk(b"image".to_vec(), 1, b"{}\n");
        if let Some(first) = image.first_mut() {
            *first ^= 1;
        }
        assert!(metadata(&image).is_err());
    }
}
