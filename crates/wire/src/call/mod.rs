//! Every method, as a request type, a response type and the connection that may carry it.
//!
//! One file a service. [`Request`] and [`Response`] gather them, so that a new method breaks the build wherever it is not
//! handled. `docs/protocol.md` lists order, signatures and error codes.

pub mod archive;
pub mod auth;
pub mod channel;
pub mod directory;
pub mod inbox;
pub mod linking;
pub mod session;
pub mod token;
pub mod vault;

/// The three kinds of connection that are never mixed (DESIGN C1 to C4). `hello` chooses one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// Authenticated by a device key: own devices, records, inbox, vault, tokens.
    Account,
    /// Never authenticated; authorised per channel by its access key.
    Channel,
    /// Never authenticated; directory and deliveries, paid by tokens.
    Lookup,
}

/// What a connection must have shown before it may carry a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Any connection, also before `hello` has been answered (only `hello` itself).
    Any,
    /// An account connection, authenticated or not.
    AccountOpen,
    /// An account connection whose password was proved on it (by `sign-in-finish`).
    AccountSignedIn,
    /// An account connection that a device authenticated.
    AccountDevice,
    /// A channel connection.
    Channel,
    /// A look-up connection.
    Lookup,
}

/// A method: its response, and what it takes to call it.
pub trait Call: Into<Request> + Clone + Send + 'static {
    /// What the server answers; for a stream, each of its items.
    type Response: TryFrom<Response, Error = Response> + Into<Response> + Send + 'static;
    /// Which connection may carry it.
    const ACCESS: Access;
    /// Whether responses keep coming until the caller stops.
    const STREAM: bool = false;
}

/// A method that is answered once.
pub trait UnaryCall: Call {}

/// A method whose responses keep coming until the caller stops.
pub trait StreamCall: Call {}

/// A method that connections of kind `K` may carry (`K` is a type of [`on`]). `hello` is on none: whoever opens a
/// connection says it.
pub trait CallOn<K: on::Kind>: Call {}

/// The kinds of connection as types, so that a call on the wrong kind does not compile.
pub mod on {
    use super::ConnectionKind;

    /// A kind of connection.
    pub trait Kind: Send + Sync + 'static {
        /// The same as a value.
        const KIND: ConnectionKind;
    }

    /// [`ConnectionKind::Account`].
    #[derive(Clone, Copy, Debug)]
    pub struct Account;

    /// [`ConnectionKind::Channel`].
    #[derive(Clone, Copy, Debug)]
    pub struct Channel;

    /// [`ConnectionKind::Lookup`].
    #[derive(Clone, Copy, Debug)]
    pub struct Lookup;

    impl Kind for Account {
        const KIND: ConnectionKind = ConnectionKind::Account;
    }

    impl Kind for Channel {
        const KIND: ConnectionKind = ConnectionKind::Channel;
    }

    impl Kind for Lookup {
        const KIND: ConnectionKind = ConnectionKind::Lookup;
    }
}

/// A response without content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Done;

/// Gathers all methods into `Request` and `Response`, and ties each to its [`Call`].
macro_rules! methods {
    ($($variant:ident = $number:literal, $name:literal: $request:ty => $response:ident($response_ty:ty), $access:ident $(, $stream:ident)?;)*) => {
        /// Any request.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Request { $(
            #[doc = concat!("Method ", $number, ", `", $name, "`.")]
            $variant($request),
        )* }

        impl Request {
            /// The name in documentation, metrics and logs.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// The union ordinal in the schema.
            #[must_use]
            pub const fn number(&self) -> u16 {
                match self { $(Self::$variant(_) => $number,)* }
            }

            /// Which connection may carry it.
            #[must_use]
            pub const fn access(&self) -> Access {
                match self { $(Self::$variant(_) => Access::$access,)* }
            }

            /// Whether responses keep coming.
            #[must_use]
            pub const fn is_stream(&self) -> bool {
                match self { $(Self::$variant(_) => <$request as Call>::STREAM,)* }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(request: $request) -> Self { Self::$variant(request) }
            }

            impl Call for $request {
                type Response = $response_ty;
                const ACCESS: Access = Access::$access;
                $(const STREAM: bool = methods!(@stream $stream);)?
            }

            methods!(@shape $request $(, $stream)?);
            methods!(@on $access $request);
        )*
    };
    (@stream stream) => { true };
    (@shape $request:ty) => { impl UnaryCall for $request {} };
    (@shape $request:ty, stream) => { impl StreamCall for $request {} };
    (@on Any $request:ty) => {};
    (@on AccountOpen $request:ty) => { impl CallOn<on::Account> for $request {} };
    (@on AccountSignedIn $request:ty) => { impl CallOn<on::Account> for $request {} };
    (@on AccountDevice $request:ty) => { impl CallOn<on::Account> for $request {} };
    (@on Channel $request:ty) => { impl CallOn<on::Channel> for $request {} };
    (@on Lookup $request:ty) => { impl CallOn<on::Lookup> for $request {} };
}

/// Gathers all response types.
macro_rules! responses {
    ($($variant:ident = $number:literal: $response:ty;)*) => {
        /// Any response.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Response { $(
            #[doc = concat!("Union ordinal ", $number, " in the schema.")]
            $variant($response),
        )* }

        $(
            impl From<$response> for Response {
                fn from(response: $response) -> Self { Self::$variant(response) }
            }

            impl TryFrom<Response> for $response {
                type Error = Response;
                fn try_from(response: Response) -> Result<Self, Response> {
                    match response { Response::$variant(inner) => Ok(inner), other => Err(other) }
                }
            }
        )*
    };
}

methods! {
    Hello = 0, "hello": session::Hello => Hello(session::HelloReply), Any;

    RegisterStart = 1, "register-start": auth::RegisterStart => RegisterStarted(auth::RegisterStarted), AccountOpen;
    RegisterFinish = 2, "register-finish": auth::RegisterFinish => Done(Done), AccountOpen;
    SignInStart = 3, "sign-in-start": auth::SignInStart => SignInStarted(auth::SignInStarted), AccountOpen;
    SignInFinish = 4, "sign-in-finish": auth::SignInFinish => SignedIn(auth::SignedIn), AccountOpen;
    Authenticate = 5, "authenticate": auth::Authenticate => Done(Done), AccountOpen;
    PasswordStart = 6, "password-start": auth::PasswordStart => RegisterStarted(auth::RegisterStarted), AccountSignedIn;
    PasswordFinish = 7, "password-finish": auth::PasswordFinish => Done(Done), AccountSignedIn;
    AccountDelete = 8, "account-delete": auth::AccountDelete => Done(Done), AccountSignedIn;
    InviteCreate = 9, "invite-create": auth::InviteCreate => InviteCreated(auth::InviteCreated), AccountDevice;
    InviteList = 10, "invite-list": auth::InviteList => Invites(auth::Invites), AccountDevice;

    Lookup = 16, "lookup": directory::Lookup => Record(directory::Record), Lookup;
    OwnRecord = 17, "own-record": directory::OwnRecord => Record(directory::Record), AccountOpen;
    PublishIdentity = 18, "publish-identity": directory::PublishIdentity => Done(Done), AccountSignedIn;
    PublishKeyPackage = 19, "publish-key-package": directory::PublishKeyPackage => Done(Done), AccountDevice;

    VaultFetch = 24, "vault-fetch": vault::VaultFetch => VaultRecords(vault::VaultRecords), AccountOpen;
    VaultStore = 25, "vault-store": vault::VaultStore => Done(Done), AccountDevice;
    VaultSubscribe = 26, "vault-subscribe": vault::VaultSubscribe => VaultVersions(vault::VaultVersions), AccountDevice, stream;

    TokenKeys = 32, "token-keys": token::TokenKeys => IssuerKeys(token::IssuerKeys), AccountDevice;
    TokenIssue = 33, "token-issue": token::TokenIssue => TokensIssued(token::TokensIssued), AccountDevice;

    InboxDeliver = 40, "inbox-deliver": inbox::InboxDeliver => Done(Done), Lookup;
    InboxRead = 41, "inbox-read": inbox::InboxRead => InboxPage(inbox::InboxPage), AccountDevice;
    InboxSubscribe = 42, "inbox-subscribe": inbox::InboxSubscribe => InboxPage(inbox::InboxPage), AccountDevice, stream;

    ChannelCreate = 48, "channel-create": channel::ChannelCreate => Done(Done), Channel;
    ChannelAttach = 49, "channel-attach": channel::ChannelAttach => ChannelState(channel::ChannelState), Channel;
    ChannelEnqueue = 50, "channel-enqueue": channel::ChannelEnqueue => Enqueued(channel::Enqueued), Channel;
    ChannelRead = 51, "channel-read": channel::ChannelRead => ChannelPage(channel::ChannelPage), Channel;
    ChannelSubscribe = 52, "channel-subscribe": channel::ChannelSubscribe => ChannelPage(channel::ChannelPage), Channel, stream;
    ChannelGroupInfo = 53, "channel-group-info": channel::ChannelGroupInfo => GroupInfo(channel::GroupInfo), Channel;
    ChannelKeyring = 54, "channel-keyring": channel::ChannelKeyring => Keyring(channel::Keyring), Channel;
    ChannelDelete = 55, "channel-delete": channel::ChannelDelete => Done(Done), Channel;
    ChannelChunks = 56, "channel-chunks": channel::ChannelChunks => TreeChunks(channel::TreeChunks), Channel;
    ChannelRestore = 57, "channel-restore": channel::ChannelRestore => Restored(channel::Restored), Channel;

    ArchivePut = 64, "archive-put": archive::ArchivePut => Done(Done), AccountDevice;
    ArchiveGet = 65, "archive-get": archive::ArchiveGet => ArchiveObject(archive::ArchiveObject), AccountDevice;
    ArchiveList = 66, "archive-list": archive::ArchiveList => ArchivePage(archive::ArchivePage), AccountDevice;
    ArchiveDelete = 67, "archive-delete": archive::ArchiveDelete => Done(Done), AccountDevice;
    LinkOpen = 72, "link-open": linking::LinkOpen => LinkState(linking::LinkState), AccountDevice;
    LinkPut = 73, "link-put": linking::LinkPut => LinkState(linking::LinkState), AccountOpen;
    LinkSubscribe = 74, "link-subscribe": linking::LinkSubscribe => LinkPage(linking::LinkPage), AccountOpen, stream;
}

responses! {
    Done = 0: Done;
    Hello = 1: session::HelloReply;
    RegisterStarted = 2: auth::RegisterStarted;
    SignInStarted = 3: auth::SignInStarted;
    SignedIn = 4: auth::SignedIn;
    InviteCreated = 5: auth::InviteCreated;
    Invites = 6: auth::Invites;
    Record = 7: directory::Record;
    VaultRecords = 8: vault::VaultRecords;
    IssuerKeys = 9: token::IssuerKeys;
    TokensIssued = 10: token::TokensIssued;
    InboxPage = 11: inbox::InboxPage;
    ChannelState = 12: channel::ChannelState;
    Enqueued = 13: channel::Enqueued;
    ChannelPage = 14: channel::ChannelPage;
    GroupInfo = 15: channel::GroupInfo;
    Keyring = 16: channel::Keyring;
    ArchiveObject = 18: archive::ArchiveObject;
    ArchivePage = 19: archive::ArchivePage;
    VaultVersions = 20: vault::VaultVersions;
    LinkState = 21: linking::LinkState;
    LinkPage = 22: linking::LinkPage;
    TreeChunks = 23: channel::TreeChunks;
    Restored = 24: channel::Restored;
}
