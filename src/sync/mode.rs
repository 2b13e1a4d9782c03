//! How far the loop goes.

/// How long the loop goes on, and what it may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Until the mount shows what the provider has; nothing is sent.
    Listing,
    /// Until there is nothing more that can be done now.
    Cycle,
    /// Until it is told to end.
    Service,
}

impl Mode {
    /// It ends by itself.
    pub(super) fn ends(self) -> bool {
        match self {
            Self::Listing | Self::Cycle => true,
            Self::Service => false,
        }
    }

    /// The provider may be changed.
    pub(super) fn sends(self) -> bool {
        match self {
            Self::Listing => false,
            Self::Cycle | Self::Service => true,
        }
    }
}
