//! Lending staged bytes to the kernel, which then reads and writes them at the speed of the disk below (FUSE passthrough). The mode is
//! decided at the first open of an inode and kept until its last close, because the kernel refuses to mix (`reference/fuse.md` 2.2, 5).
//!
//! Lent are staged bytes that are all here: what is being recorded, saved or worked on. Their file is where size and time of the inode
//! are found meanwhile ([`OpenFile::follow`]); after a crash recovery finds both there, too.

use super::handles::{Handle, Loan, OpenContent};
use super::ports::{Backing, Register};
use super::{FsError, OpenFile, OpenIntent, Result, VaultFs};
use crate::content::StagedFile;
use crate::types::HandleNo;

/// Existing files that are smaller are read faster from the kernel's page cache than they are lent (`reference/fuse.md` 6.3).
const LEND_FROM_BYTES: u64 = 64 * 1024;

/// Limits of staging are kept to the byte by this process alone: with less room than this it serves writers itself.
const ROOM_FOR_WRITERS: u64 = 1 << 30;

/// An open file, as the kernel learns of it.
pub struct Opened {
    /// The handle.
    pub handle: HandleNo,
    /// What the kernel reads and writes by itself, if it does.
    pub backing: Option<Backing>,
}

impl Opened {
    pub(super) fn of(handle: &Handle) -> Self {
        Self { handle: handle.number, backing: handle.file.loan.as_ref().map(|loan| loan.backing.clone()) }
    }
}

impl VaultFs {
    /// Lends the bytes of an inode that is opened for the first time, if they can and should be.
    pub(super) fn lend(
        &self,
        content: &OpenContent,
        size: u64,
        intent: OpenIntent,
        register: &Register<'_>,
    ) -> Result<Option<Loan>> {
        let OpenContent::Staged { file: staged, .. } = content else { return Ok(None) };
        let is_wanted =
            if intent.write { self.parts.content.room()?.free >= ROOM_FOR_WRITERS } else { size >= LEND_FROM_BYTES };
        if !is_wanted {
            return Ok(None);
        }
        let Some(file) = staged.lend()? else { return Ok(None) };
        let Some(backing) = register(&file) else {
            self.parts.content.give_back(staged)?;
            return Ok(None);
        };
        if intent.write {
            staged.expect_writes();
        }
        let loan = Loan { staged: staged.clone(), backing, seen: std::sync::Mutex::default() };
        loan.look(staged.observe()?);
        Ok(Some(loan))
    }

    /// Before the kernel opens an inode that is open for writing: if its bytes are lent, they must be the inode's, and nobody else's.
    pub(super) fn expect_kernel_writes(&self, file: &OpenFile) -> Result<()> {
        let Some(loan) = &file.loan else { return Ok(()) };
        let mut state = file.write();
        match &state.content {
            OpenContent::Staged { .. } if loan.is_of(&state.content) => {}
            OpenContent::Clean(clean) => {
                // Sent meanwhile, and settled: staged again, in the inode that its readers have.
                let version = clean.version.clone();
                if !self.parts.content.take_back(&loan.staged, &version)? {
                    return Err(FsError::ChangedUnderHandle);
                }
                if let Some(node) = state.node {
                    self.store_staged(node, &loan.staged, Some(&version), &state.attr)?;
                }
                let based_on = Some(version);
                state.content = OpenContent::Staged { file: loan.staged.clone(), base: None, based_on };
            }
            OpenContent::Staged { .. } | OpenContent::Lost(_) => return Err(FsError::ChangedUnderHandle),
        }
        loan.staged.expect_writes();
        Ok(())
    }

    /// The last handle is closed.
    pub(super) fn take_loan_back(&self, loan: &Loan) {
        let staged: &StagedFile = &loan.staged;
        if let Err(error) = self.parts.content.give_back(staged) {
            tracing::error!(%error, id = %staged.id(), "bytes that the kernel had cannot be looked at");
        }
    }
}
