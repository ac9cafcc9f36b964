# The calls of the quicprochat protocol, version 1.
#
# Together with docs/protocol.md this file is enough to write a client. One call is one bidirectional QUIC stream: the client
# sends one frame with a Request and ends its side; the server answers with one frame with a Response, or with one after
# another for the calls marked "stream". A frame is a UInt32 little-endian length and that many bytes of a Cap'n Proto message
# in standard stream framing, unpacked.
#
# Conventions
# - The ordinal of a member of Request's union is the method's number. Reserved members keep room for later methods; a server
#   answers them, and any number above the last, with the error unknown-method.
# - A pointer field marked "Optional" is absent when its pointer is null. Any other pointer field that is null counts as empty.
# - Data fields whose comment names a size hold exactly that many bytes. "At most" is a limit in bytes, or in items for lists;
#   limits whose number depends on the server stand in ServerLimits. What breaks a limit is answered with too-large, a wrong
#   size with bad-request.
# - Times are milliseconds since 1970-01-01T00:00:00Z, durations are milliseconds.
# - Fields may be added at the end of a struct in later minor changes; whoever does not know them ignores them.
# - "Sealed" bytes are encrypted by the client; the server cannot read them.

@0xd4a1f0c75b9e3862;

struct Request {
  # What a client asks. Each member names the connection that may carry it and its answer.

  union {
    hello @0 :Hello;
    # Any connection, first and exactly once. Answer: hello.

    registerStart @1 :RegisterStart;
    # Account connection. Answer: registerStarted.

    registerFinish @2 :RegisterFinish;
    # Account connection, after registerStart. Answer: done.

    signInStart @3 :SignInStart;
    # Account connection. Answer: signInStarted, also for unknown names.

    signInFinish @4 :SignInFinish;
    # Account connection, after signInStart. Answer: signedIn.

    authenticate @5 :Authenticate;
    # Account connection. Answer: done; the connection is a device's from then on.

    passwordStart @6 :PasswordStart;
    # Account connection, signed in. Answer: registerStarted.

    passwordFinish @7 :PasswordFinish;
    # Account connection, signed in, after passwordStart. Answer: done.

    accountDelete @8 :Empty;
    # Account connection, signed in. Answer: done.

    inviteCreate @9 :Empty;
    # Account connection of a device. Answer: inviteCreated.

    inviteList @10 :Empty;
    # Account connection of a device. Answer: invites.

    reserved11 @11 :Void;
    reserved12 @12 :Void;
    reserved13 @13 :Void;
    reserved14 @14 :Void;
    reserved15 @15 :Void;

    lookup @16 :Lookup;
    # Look-up connection. Answer: record.

    ownRecord @17 :Empty;
    # Account connection, signed in or of a device. Answer: record.

    publishIdentity @18 :PublishIdentity;
    # Account connection, signed in. Answer: done.

    publishKeyPackage @19 :KeyPackagePart;
    # Account connection of a device, which the part must name. Answer: done.

    reserved20 @20 :Void;
    reserved21 @21 :Void;
    reserved22 @22 :Void;
    reserved23 @23 :Void;

    vaultFetch @24 :VaultFetch;
    # Account connection, signed in or of a device. Answer: vaultRecords.

    vaultStore @25 :VaultStore;
    # Account connection of a device. Answer: done.

    vaultSubscribe @26 :VaultSubscribe;
    # Account connection of a device; stream. Answers: vaultVersions.

    reserved27 @27 :Void;
    reserved28 @28 :Void;
    reserved29 @29 :Void;
    reserved30 @30 :Void;
    reserved31 @31 :Void;

    tokenKeys @32 :Empty;
    # Account connection of a device. Answer: issuerKeys.

    tokenIssue @33 :TokenIssue;
    # Account connection of a device. Answer: tokensIssued.

    reserved34 @34 :Void;
    reserved35 @35 :Void;
    reserved36 @36 :Void;
    reserved37 @37 :Void;
    reserved38 @38 :Void;
    reserved39 @39 :Void;

    inboxDeliver @40 :InboxDeliver;
    # Look-up connection. Answer: done. Costs a token.

    inboxRead @41 :InboxRead;
    # Account connection of a device. Answer: inboxPage.

    inboxSubscribe @42 :InboxSubscribe;
    # Account connection of a device; stream. Answers: inboxPage.

    reserved43 @43 :Void;
    reserved44 @44 :Void;
    reserved45 @45 :Void;
    reserved46 @46 :Void;
    reserved47 @47 :Void;

    channelCreate @48 :ChannelCreate;
    # Channel connection. Answer: done. Costs a token.

    channelAttach @49 :ChannelAttach;
    # Channel connection. Answer: channelState.

    channelEnqueue @50 :ChannelEnqueue;
    # Channel connection, current key attached. Answer: enqueued.

    channelRead @51 :ChannelRead;
    # Channel connection, current key attached. Answer: channelPage.

    channelSubscribe @52 :ChannelSubscribe;
    # Channel connection, current key attached; stream. Answers: channelPage.

    channelGroupInfo @53 :ChannelGroupInfo;
    # Channel connection, current key attached. Answer: groupInfo.

    channelKeyring @54 :ChannelRef;
    # Channel connection, any key the channel ever had attached. Answer: keyring.

    channelDelete @55 :ChannelRef;
    # Channel connection, current key attached. Answer: done.

    channelChunks @56 :ChannelChunks;
    # Channel connection, current key attached. Answer: treeChunks.

    channelRestore @57 :ChannelRestore;
    # Channel connection, current key attached. Answer: restored.

    reserved58 @58 :Void;
    reserved59 @59 :Void;
    reserved60 @60 :Void;
    reserved61 @61 :Void;
    reserved62 @62 :Void;
    reserved63 @63 :Void;

    archivePut @64 :ArchivePut;
    # Account connection of a device. Answer: done.

    archiveGet @65 :ArchiveGet;
    # Account connection of a device. Answer: archiveObject.

    archiveList @66 :ArchiveList;
    # Account connection of a device. Answer: archivePage.

    archiveDelete @67 :ArchiveDelete;
    # Account connection of a device. Answer: done.

    reserved68 @68 :Void;
    reserved69 @69 :Void;
    reserved70 @70 :Void;
    reserved71 @71 :Void;

    linkOpen @72 :LinkOpen;
    # Account connection of a device. Answer: linkState.

    linkPut @73 :LinkPut;
    # Account connection; of the device that opened the link for its own side. Answer: linkState.

    linkSubscribe @74 :LinkSubscribe;
    # Account connection; stream. Answers: linkPage.
  }
}

struct Response {
  # What a server answers.

  union {
    done @0 :Empty;
    # The call did what it says.

    hello @1 :HelloReply;
    registerStarted @2 :RegisterStarted;
    signInStarted @3 :SignInStarted;
    signedIn @4 :SignedIn;
    inviteCreated @5 :Invite;
    invites @6 :Invites;
    record @7 :Record;
    vaultRecords @8 :VaultRecords;
    issuerKeys @9 :IssuerKeys;
    tokensIssued @10 :TokensIssued;
    inboxPage @11 :InboxPage;
    channelState @12 :ChannelState;
    enqueued @13 :Enqueued;
    channelPage @14 :ChannelPage;
    groupInfo @15 :GroupInfo;
    keyring @16 :Keyring;

    error @17 :Error;
    # The call was refused. In a stream it is the last answer.

    archiveObject @18 :ArchiveObject;
    archivePage @19 :ArchivePage;
    vaultVersions @20 :VaultVersions;
    linkState @21 :LinkState;
    linkPage @22 :LinkPage;
    treeChunks @23 :TreeChunks;
    restored @24 :Restored;
  }
}

struct Empty {
  # No fields yet.
}

struct Error {
  # Why a call was refused.

  code @0 :UInt16;
  # 1 internal, 2 unavailable, 3 bad-request, 4 too-large, 5 unknown-method, 6 unsupported-version, 7 wrong-connection,
  # 8 not-authenticated, 9 sign-in-required, 10 sign-in-failed, 11 bad-signature, 12 device-revoked, 13 name-taken,
  # 14 name-invalid, 15 registration-closed, 16 invite-invalid, 17 rate-limited, 18 quota-full, 19 not-found,
  # 20 version-conflict, 21 record-invalid, 22 token-invalid, 23 token-spent, 24 token-expired, 25 access-denied,
  # 26 channel-exists, 27 link-expired, 28 link-used, 29 link-required,
  # 30 restoring.

  retryAfterMs @1 :UInt64;
  # After which a retry may succeed; 0 if the server does not know.
}

# ---------------------------------------------------------------------------------------------------------------- session

enum ConnectionKind {
  # What a connection is for. The kinds share nothing (protocol.md section 2).

  account @0;
  channel @1;
  lookup @2;
}

enum Registration {
  # Who may register.

  open @0;
  # Anybody.

  invite @1;
  # Whoever has an unused invite code.

  closed @2;
  # Nobody.
}

struct Hello {
  version @0 :UInt16;
  # 1.

  kind @1 :ConnectionKind;
}

struct HelloReply {
  version @0 :UInt16;
  # The version the server will speak.

  challenge @1 :Data;
  # 32 bytes, fresh for each connection; signed by authenticate and channelAttach.

  time @2 :UInt64;
  # The server's clock.

  host @3 :Text;
  # At most 253. How names end here: alice@host.

  registration @4 :Registration;

  limits @5 :ServerLimits;
}

struct ServerLimits {
  # Sizes in bytes.

  frameBytes @0 :UInt32;
  # Largest frame after hello has been answered.

  messageBytes @1 :UInt32;
  # Largest ChannelEnqueue.sealed of a message.

  commitBytes @2 :UInt32;
  # Largest ChannelEnqueue.sealed of a commit.

  groupInfoBytes @3 :UInt32;
  keyringBytes @4 :UInt32;
  inboxBytes @5 :UInt32;

  retentionMs @6 :UInt64;
  # How long entries of channels and inboxes are kept.
}

# --------------------------------------------------------------------------------------------------------------- accounts

struct StretchParams {
  # Argon2id parameters of a password record.

  memoryKib @0 :UInt32;
  iterations @1 :UInt32;
  parallelism @2 :UInt32;
}

struct RegisterStart {
  name @0 :Text;
  # At most 32; without host.

  invite @1 :Text;
  # Optional; at most 64. Where registration is by invite. Not used up yet.

  request @2 :Data;
  # At most 1,024. OPAQUE RegistrationRequest (RFC 9807).

  recovery @3 :Data;
  # Optional; at most 1,024. The same for the recovery key (protocol.md section 10).
}

struct RegisterStarted {
  response @0 :Data;
  # At most 1,024. OPAQUE RegistrationResponse.

  recovery @1 :Data;
  # At most 1,024. The same for the recovery key, where it was asked for.
}

struct RegisterFinish {
  # Creates the account with its first device, in one transaction.

  name @0 :Text;
  # As in registerStart.

  invite @1 :Text;
  # Optional; used up here.

  upload @2 :Data;
  # At most 1,024. OPAQUE RegistrationUpload.

  stretch @3 :StretchParams;

  identity @4 :Data;
  # At most 8,192. Signed identity part naming exactly one device (protocol.md section 6).

  keyPackage @5 :KeyPackagePart;
  # That device's.

  wraps @6 :List(VaultWrap);
  # At most 16.

  records @7 :List(VaultRecord);
  # At most 64.

  recovery @8 :OpaqueRecord;
  # Optional; of the recovery key.
}

struct OpaqueRecord {
  # What the server keeps of a way in.

  upload @0 :Data;
  # At most 1,024. OPAQUE RegistrationUpload.

  stretch @1 :StretchParams;
}

struct SignInStart {
  name @0 :Text;
  # At most 32.

  request @1 :Data;
  # At most 1,024. OPAQUE KE1.

  way @2 :UInt16 = 1;
  # 1: password, 2: recovery key.
}

struct SignInStarted {
  response @0 :Data;
  # At most 1,024. OPAQUE KE2.

  stretch @1 :StretchParams;
}

struct SignInFinish {
  finalization @0 :Data;
  # At most 1,024. OPAQUE KE3.
}

struct SignedIn {
  account @0 :Data;
  # 32 bytes.

  wraps @1 :List(VaultWrap);
  # At most 16. Every way into the vault.
}

struct Authenticate {
  account @0 :Data;
  # 32 bytes.

  device @1 :Data;
  # 16 bytes.

  signature @2 :Data;
  # 64 bytes; Ed25519 by the device key (protocol.md section 2).
}

struct PasswordStart {
  request @0 :Data;
  # At most 1,024. OPAQUE RegistrationRequest.

  way @1 :UInt16 = 1;
  # Of which way the secret changes: 1, the password, or 2, the recovery key.
}

struct PasswordFinish {
  # Replaces the OPAQUE record of a way, all wraps and some records in one transaction.

  upload @0 :Data;
  # At most 1,024. OPAQUE RegistrationUpload.

  stretch @1 :StretchParams;

  wraps @2 :List(VaultWrap);
  # At most 16. Every wrap there is from then on.

  way @3 :UInt16 = 1;
  # As in passwordStart.

  records @4 :List(VaultRecord);
  # At most 64; may be empty.
}

struct Invite {
  code @0 :Text;
  # At most 64.

  expires @1 :UInt64;

  used @2 :Bool;
  # By whom is not kept.
}

struct Invites {
  invites @0 :List(Invite);
  # At most 256, oldest first.

  left @1 :UInt32;
  # How many more the account may make.
}

# -------------------------------------------------------------------------------------------------------------- directory

struct KeyPackagePart {
  device @0 :Data;
  # 16 bytes.

  bytes @1 :Data;
  # At most 4,096. Signed KeyPackage part (protocol.md section 6).
}

struct Lookup {
  union {
    name @0 :Text;
    # At most 32; without host.

    account @1 :Data;
    # 32 bytes.
  }
}

struct Record {
  # An account's record; whoever reads it verifies it.

  identity @0 :Data;
  # At most 8,192.

  keyPackages @1 :List(KeyPackagePart);
  # At most 8, one for each device.
}

struct PublishIdentity {
  # Replaces the identity part, in one transaction with the rest. Its serial must be one above the stored one.

  identity @0 :Data;
  # At most 8,192.

  keyPackages @1 :List(KeyPackagePart);
  # At most 8: those of devices that it adds.

  wraps @2 :List(VaultWrap);
  # Optional; at most 16. If present, replaces all wraps.

  records @3 :List(VaultRecord);
  # At most 64, each checked by its version.
}

# ------------------------------------------------------------------------------------------------------------------ vault

struct VaultWrap {
  way @0 :UInt16;
  # protocol.md section 10, "Ways in".

  sealed @1 :Data;
  # At most 65,536.
}

struct VaultRecord {
  id @0 :UInt32;
  # protocol.md section 10.

  version @1 :UInt64;
  # One above the stored version (1 for a new record) when stored; the stored version when fetched.

  sealed @2 :Data;
  # At most 65,536; empty removes the record (its version stays).
}

struct VaultFetch {
  ids @0 :List(UInt32);
  # At most 64; all records if empty.
}

struct VaultRecords {
  records @0 :List(VaultRecord);
  # At most 64.
}

struct VaultStore {
  records @0 :List(VaultRecord);
  # At most 64. All or none.
}

struct VaultSubscribe {
}

struct VaultVersion {
  id @0 :UInt32;
  version @1 :UInt64;
}

struct VaultVersions {
  versions @0 :List(VaultVersion);
  # At most 1,024, by id. First of every record there ever was, then of those that changed since.
}

# ---------------------------------------------------------------------------------------------------------------- archive

struct ArchivePut {
  # Idempotent by id: the same bytes again are answered with done, other bytes with version-conflict.

  id @0 :Data;
  # 16 bytes, random, chosen by the client.

  sealed @1 :Data;
  # 1 to 262,144. Never changed once it is stored.
}

struct ArchiveGet {
  id @0 :Data;
  # 16 bytes.
}

struct ArchiveObject {
  sealed @0 :Data;
  # At most 262,144.
}

struct ArchiveList {
  after @0 :Data;
  # Optional; 16 bytes. Ids above this one; from the first one if it is left out.

  limit @1 :UInt16;
  # Most entries wanted; 0 for no other limit than that of a page.
}

struct ArchiveEntry {
  id @0 :Data;
  # 16 bytes.

  bytes @1 :UInt32;
  # Of what is stored under the id.
}

struct ArchivePage {
  entries @0 :List(ArchiveEntry);
  # At most 512, by id.

  more @1 :Bool;
  objects @2 :UInt64;
  # How many the account has.

  bytes @3 :UInt64;
  # How many bytes they are.

  quota @4 :UInt64;
  # How many bytes they may be.
}

struct ArchiveDelete {
  ids @0 :List(Data);
  # At most 512 of 16 bytes. An id that is not there is as good as deleted.
}

# ---------------------------------------------------------------------------------------------------------------- linking

enum LinkSide {
  # Who wrote.

  holder @0;
  # The device that opened the link.

  joiner @1;
  # The new device: whoever knows the link's id.
}

struct LinkOpen {
  link @0 :Data;
  # 16 bytes, derived from the code that the device shows (protocol.md section 14).
}

struct LinkPut {
  link @0 :Data;
  # 16 bytes.

  side @1 :LinkSide;

  number @2 :UInt16;
  # 0 for the side's first message. The same bytes again are answered as before, other bytes with link-used.

  sealed @3 :Data;
  # At most 16,384.
}

struct LinkSubscribe {
  link @0 :Data;
  # 16 bytes.

  side @1 :LinkSide;
  # Whose messages.

  from @2 :UInt16;
  # Messages with this number and above.
}

struct LinkState {
  leftMs @0 :UInt64;
  # How long the link lasts.
}

struct LinkPage {
  messages @0 :List(Data);
  # At most 16, each at most 16,384; in order, without gaps.
}

# ----------------------------------------------------------------------------------------------------------------- tokens

struct IssuerKey {
  epoch @0 :UInt32;

  publicKey @1 :Data;
  # 32 bytes; compressed ristretto255 point.

  issuesUntil @2 :UInt64;
  redeemsUntil @3 :UInt64;
}

struct IssuerKeys {
  keys @0 :List(IssuerKey);
  # At most 8.
}

struct TokenIssue {
  epoch @0 :UInt32;

  blinded @1 :List(Data);
  # Exactly 32 elements of 32 bytes.
}

struct TokensIssued {
  evaluated @0 :List(Data);
  # Exactly 32 elements of 32 bytes, in the order asked for.

  proof @1 :Data;
  # 64 bytes; one DLEQ proof (c, s) for the batch.
}

struct Token {
  epoch @0 :UInt32;

  nonce @1 :Data;
  # 32 bytes, random.

  authenticator @2 :Data;
  # 64 bytes; VOPRF output (protocol.md section 3).
}

# ------------------------------------------------------------------------------------------------------------------ inbox

struct InboxDeliver {
  # Idempotent by id.

  account @0 :Data;
  # 32 bytes. To whom.

  id @1 :Data;
  # 16 bytes, chosen by the client.

  sealed @2 :Data;
  # At most ServerLimits.inboxBytes.

  token @3 :Token;
}

struct InboxRead {
  after @0 :UInt64;
  # Entries with a sequence number above this; the first has 1.

  limit @1 :UInt16;
  # At most this many entries.
}

struct InboxSubscribe {
  after @0 :UInt64;
}

struct InboxPage {
  entries @0 :List(InboxEntry);
  # At most 512, in order.

  more @1 :Bool;
  # Whether there is more at this moment.
}

struct InboxEntry {
  seq @0 :UInt64;

  id @1 :Data;
  # 16 bytes, as chosen by the sender.

  sealed @2 :Data;
}

# --------------------------------------------------------------------------------------------------------------- channels

enum EntryKind {
  message @0;
  commit @1;
}

struct ChainPoint {
  # A position in a log with the chain's value there. Position 0 is the empty log.

  position @0 :UInt64;

  hash @1 :Data;
  # 32 bytes (protocol.md section 4).
}

struct ChannelCreate {
  # Idempotent: the same id with the same contents is answered done.

  channel @0 :Data;
  # 32 bytes, random.

  access @1 :Data;
  # 32 bytes; first access key (Ed25519).

  groupInfo @2 :Data;
  # At most ServerLimits.groupInfoBytes; sealed, stored at position 0.

  keyring @3 :Data;
  # At most ServerLimits.keyringBytes.

  token @4 :Token;
}

struct ChannelAttach {
  channel @0 :Data;
  # 32 bytes.

  access @1 :Data;
  # 32 bytes; the current key or an earlier one.

  signature @2 :Data;
  # 64 bytes; Ed25519 by the access key (protocol.md section 2).
}

struct ChannelState {
  current @0 :Bool;
  # Whether the attached key is the current one.

  access @1 :Data;
  # 32 bytes; the key in force, also if it is not the one attached.

  accessSince @2 :UInt64;
  # The position since which it is in force.

  lastCommit @3 :ChainPoint;
  # Position 0 and h(0) if there is none. Zero hash if current is false.

  last @4 :ChainPoint;
  # The end of the log.

  first @5 :UInt64;
  # The lowest sequence number that is still kept.
}

struct ChannelEnqueue {
  channel @0 :Data;
  # 32 bytes.

  id @1 :Data;
  # 16 bytes, chosen by the client; looked up before the comparison.

  afterCommit @2 :ChainPoint;
  # The last commit as the writer knows it.

  sealed @3 :Data;
  # At most ServerLimits.messageBytes, or commitBytes.

  commit @4 :CommitParts;
  # Optional: present for commits.
}

struct CommitParts {
  groupInfo @0 :Data;
  # At most ServerLimits.groupInfoBytes; sealed, of the epoch that the commit begins. In channelRestore it may be empty: the
  # holder has none.

  roll @1 :AccessRoll;
  # Optional: present for rolling commits.

  tree @2 :TreeChange;
  # Optional: which chunks of the ratchet tree change.
}

struct TreeChange {
  # The chunks that a GroupInfo names beside those that stay (protocol.md section 7).

  added @0 :List(TreeChunk);
  # At most 640, each with an id that is new to the channel. Together with groupInfo at most ServerLimits.groupInfoBytes.

  ended @1 :List(Data);
  # At most 640 ids, 32 bytes each: chunks that are in use and that this GroupInfo does not name any more.

  endsAll @2 :Bool;
  # Ends every chunk that is in use. Then `ended` is empty.
}

struct TreeChunk {
  id @0 :Data;
  # 32 bytes, chosen by the writer.

  sealed @1 :Data;
  # 512 to 65,536 bytes.
}

struct AccessRoll {
  access @0 :Data;
  # 32 bytes; the next access key.

  keyring @1 :Data;
  # At most ServerLimits.keyringBytes.
}

struct Enqueued {
  union {
    accepted @0 :ChainPoint;
    # In the log and synced; its position and the chain's value there.

    stale @1 :ChainPoint;
    # Another commit came first: this one.

    diverged @2 :Diverged;
    # The server does not know the commit that was named.
  }

  time @3 :UInt64;
  # With accepted: the entry's time, as its readers are told; 0 if it has expired.
}

struct Diverged {
  lastCommit @0 :ChainPoint;
  last @1 :ChainPoint;
  # The end of the log that the server knows.
}

struct ChannelRestore {
  # Offers entries that the server lost, as they stood in the log (protocol.md section 4). All of them, or none.

  channel @0 :Data;
  # 32 bytes.

  after @1 :ChainPoint;
  # What the first entry follows in the log.

  entries @2 :List(RestoredEntry);
  # 1 to 512, in order and without gaps. One with a roll is the last.
}

struct RestoredEntry {
  id @0 :Data;
  # 16 bytes, as chosen by its writer.

  afterCommit @1 :ChainPoint;
  # The commit it named.

  sealed @2 :Data;
  # At most ServerLimits.messageBytes, or commitBytes.

  time @3 :UInt64;
  # As readers were told it. The server takes one not before that of the entry before, nor after its own time.

  commit @4 :CommitParts;
  # Optional: present for commits.
}

enum RestoreOutcome {
  whole @0;
  # All entries are in the log and synced; what was there already was passed over.

  short @1;
  # The log ends before `after`: nothing was done. Begin at `last`.

  diverged @2;
  # Something else stands in the log at one of these positions: nothing was done.
}

struct Restored {
  outcome @0 :RestoreOutcome;

  added @1 :UInt32;
  # How many of the entries the server did not have.

  lastCommit @2 :ChainPoint;
  # After the call.

  last @3 :ChainPoint;
  # The end of the log after the call.
}

struct ChannelRead {
  channel @0 :Data;
  # 32 bytes.

  after @1 :UInt64;
  # Entries with a sequence number above this.

  limit @2 :UInt16;
}

struct ChannelSubscribe {
  channel @0 :Data;
  # 32 bytes.

  after @1 :UInt64;
}

struct ChannelPage {
  entries @0 :List(ChannelEntry);
  # At most 512, in order and without gaps.

  more @1 :Bool;
  # Whether there is more at this moment.
}

struct ChannelEntry {
  seq @0 :UInt64;

  id @1 :Data;
  # 16 bytes, as chosen by the writer.

  kind @2 :EntryKind;

  afterCommit @3 :ChainPoint;
  # The commit it named.

  sealed @4 :Data;

  nextAccess @5 :Data;
  # Optional; 32 bytes. For a rolling commit: the access key that the server recorded.

  time @6 :UInt64;
  # When the server accepted it, rounded down to the minute.
}

struct ChannelGroupInfo {
  channel @0 :Data;
  # 32 bytes.

  position @1 :UInt64;
  # The commit that stored it; 0 for channelCreate, 2^64-1 for the last commit.
}

struct GroupInfo {
  at @0 :ChainPoint;
  # The commit that stored it.

  sealed @1 :Data;

  commit @2 :Data;
  # 16 bytes: id of that commit; zero for channelCreate.

  afterCommit @3 :ChainPoint;
  # The commit that it named; position 0 and h(0) for channelCreate. Known also when the commit's content has expired.
}

struct ChannelChunks {
  channel @0 :Data;
  # 32 bytes.

  ids @1 :List(Data);
  # 1 to 640 ids, 32 bytes each.
}

struct TreeChunks {
  chunks @0 :List(Data);
  # Those of the first ids asked for, in their order: one at least, and as many as fit a page. Empty where there is none.
}

struct ChannelRef {
  channel @0 :Data;
  # 32 bytes.
}

struct Keyring {
  at @0 :ChainPoint;
  # The commit that stored it.

  keyring @1 :Data;
}
