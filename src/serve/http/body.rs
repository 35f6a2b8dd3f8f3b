//! The body of a request: bounded in size, in time, and in what all of them hold together.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::serve::http::refusal::HttpRefusal;
use crate::serve::limits::{BODY_TIME, MAX_BODY_BYTES, MAX_UNPACKED_BYTES};

/// Bytes of a permit.
pub const PERMIT_BYTES: usize = 1 << 10;

/// How a body compressed with gzip begins; pages that close cannot always say it in a header.
const GZIP: &[u8] = &[0x1F, 0x8B];

/// A body in memory, with the room that it takes.
#[derive(Debug)]
pub struct HeldBody {
    /// As it was sent.
    pub bytes: Vec<u8>,
    room: BodyRoom,
}

/// Room that is held.
#[derive(Debug)]
struct BodyRoom {
    all: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl BodyRoom {
    /// Holds room for so many bytes in all.
    fn grow(&mut self, bytes: usize) -> Result<(), HttpRefusal> {
        self.bytes = self.bytes.max(bytes);
        let wanted = bytes.div_ceil(PERMIT_BYTES);
        let more = wanted.saturating_sub(self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.all).try_acquire_many_owned(more);
        let permit = permit.map_err(|_| HttpRefusal::busy("too many bodies are being read"))?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

/// Reads a body.
///
/// # Errors
/// When it is too large, too slow or of another content type, or when too many others are held.
pub async fn read(headers: &HeaderMap, body: Body, room: &Arc<Semaphore>) -> Result<HeldBody, HttpRefusal> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    // The last is what some clients say of bytes that they packed, and `curl -d` of all.
    let known = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
    if kind.is_some_and(|kind| !known.contains(&&*kind)) {
        let why = "send application/json, or text/plain";
        return Err(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    check_encoding(headers)?;
    let room = BodyRoom { all: Arc::clone(room), held: None, bytes: 0 };
    let slow = || HttpRefusal::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly");
    timeout(BODY_TIME, gather(body, room)).await.map_err(|_| slow())?
}

async fn gather(mut body: Body, mut room: BodyRoom) -> Result<HeldBody, HttpRefusal> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| HttpRefusal::bad("the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(HttpRefusal::too_large(MAX_BODY_BYTES));
        }
        room.grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(HeldBody { bytes, room })
}

impl HeldBody {
    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        self.bytes.starts_with(GZIP)
    }

    /// The same, unpacked where it is packed.
    ///
    /// # Errors
    /// When it unpacks to too much, is damaged, or there is no room for it.
    pub fn unpacked(mut self) -> Result<Self, HttpRefusal> {
        const PIECE: usize = 64 << 10;
        if !self.is_packed() {
            return Ok(self);
        }
        let mut decoder = flate2::bufread::MultiGzDecoder::new(&*self.bytes);
        let mut unpacked = Vec::new();
        loop {
            let before = unpacked.len();
            self.room.grow(self.bytes.len() + before + PIECE)?;
            let read = decoder.by_ref().take(PIECE as u64).read_to_end(&mut unpacked);
            read.map_err(|error| HttpRefusal::bad(format!("the body is damaged: {error}")))?;
            if unpacked.len() > MAX_UNPACKED_BYTES {
                return Err(HttpRefusal::too_large(MAX_UNPACKED_BYTES));
            }
            if unpacked.len() == before {
                break;
            }
        }
        Ok(Self { bytes: unpacked, room: self.room })
    }
}

/// Refuses a way of packing that is not read.
fn check_encoding(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(Ok("identity"), |value| value.to_str());
    match encoding.map(str::trim) {
        Ok("identity" | "gzip") => Ok(()),
        _ => Err(HttpRefusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bodies may be packed with gzip, and no other way",
        )),
    }
}
