//! Links whose type says which calls they may carry, so that an authenticated call never leaves on an anonymous connection,
//! nor the other way round (DESIGN C1 to C4).

use core::marker::PhantomData;
use std::sync::Arc;

use futures::stream::BoxStream;
use quicprochat_wire::{
    Fingerprint, ServerLink,
    call::{
        CallOn, StreamCall, UnaryCall,
        on::{self, Kind},
        session::HelloReply,
    },
};

use crate::link::{self, CallError, Connector, Link};

/// For devices, records, the own inbox, vault and tokens.
pub type AccountLink = Authenticated<on::Account>;
/// For the logs of conversations.
pub type ChannelLink = Anonymous<on::Channel>;
/// For the directory and deliveries to others.
pub type LookupLink = Anonymous<on::Lookup>;

/// Defines a wrapper of [`Link`] that carries calls of its kind only.
macro_rules! typed_link {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<K> {
            link: Arc<dyn Link>,
            kind: PhantomData<K>,
        }

        impl<K> Clone for $name<K> {
            fn clone(&self) -> Self {
                Self { link: Arc::clone(&self.link), kind: PhantomData }
            }
        }

        impl<K: Kind> core::fmt::Debug for $name<K> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), K::KIND)
            }
        }

        impl<K: Kind> $name<K> {
            /// Connects and says `hello` with the kind `K`.
            pub async fn connect(
                connector: &dyn Connector,
                server: &ServerLink,
            ) -> Result<(Self, HelloReply), CallError> {
                let (link, hello) = connector.connect(server, K::KIND).await?;
                Ok((Self { link, kind: PhantomData }, hello))
            }

            /// Wraps a link, if it is of kind `K`; hands it back otherwise.
            pub fn from_link(link: Arc<dyn Link>) -> Result<Self, Arc<dyn Link>> {
                if link.kind() == K::KIND { Ok(Self { link, kind: PhantomData }) } else { Err(link) }
            }

            /// Calls a method that is answered once.
            pub async fn call<C: UnaryCall + CallOn<K>>(&self, request: C) -> Result<C::Response, CallError> {
                link::call(&*self.link, request).await
            }

            /// Subscribes; dropping the stream ends the subscription.
            pub async fn subscribe<C: StreamCall + CallOn<K>>(
                &self,
                request: C,
            ) -> Result<BoxStream<'static, Result<C::Response, CallError>>, CallError> {
                link::subscribe(&*self.link, request).await
            }

            /// The key that the server showed.
            #[must_use]
            pub fn fingerprint(&self) -> Fingerprint {
                self.link.fingerprint()
            }

            /// Resolves when the connection is over.
            pub async fn closed(&self) {
                self.link.closed().await;
            }

            /// Ends the connection at once.
            pub fn close(&self) {
                self.link.close();
            }
        }
    };
}

typed_link!(
    /// A connection that shows who it is: a device of an account, or somebody about to become one.
    Authenticated
);
typed_link!(
    /// A connection that never shows who it is.
    Anonymous
);
