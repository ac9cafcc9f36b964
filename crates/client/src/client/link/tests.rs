//! Two homes and a server in one process; either home may die at any call.

mod bed;

use bed::{Bed, Cut, NAME, PASSWORD, password};
use futures::future::join_all;
use quicprochat_client_core::auth::Password;

use super::*;

/// What both people do when nothing is wrong.
async fn hold(client: &mut Client, offered: OfferedLink) -> Result<AdmittedDevice, ClientError> {
    let mut met = offered.meet().await?;
    let offer = met.offer().await?;
    client.admit_device(&mut met, &offer, password()).await
}

async fn join(client: &mut Client, code: LinkCode) -> Result<OwnAccount, ClientError> {
    let joining = client.join_link(code).await?;
    client.finish_link(joining, "phone").await
}

fn refused(code: ErrorCode) -> impl Fn(&ClientError) -> bool {
    move |error| matches!(error, ClientError::Link(LinkError::Refused(failure)) if failure.code == code)
}

fn problem(problem: LinkProblem) -> impl Fn(&ClientError) -> bool {
    move |error| matches!(error, ClientError::Linking(found) if *found == problem)
}

/// Nothing of an attempt is left: neither an account nor a waiting one, nor KeyPackages.
fn nothing_left(client: &mut Client) {
    assert!(client.account().unwrap().is_none());
    assert!(client.pending().unwrap().is_none());
    assert!(client.read(|tx| Ok(tx.upkeep().key_packages()?)).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_device_is_one_like_the_others() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let mut phone = bed.home();
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let (admitted, joined) = tokio::join!(hold(&mut laptop.client, offered), join(&mut phone.client, code));
    let (admitted, account) = (admitted.unwrap(), joined.unwrap());
    assert_eq!((admitted.device, admitted.label.as_str(), admitted.told), (account.device, "phone", true));
    assert_eq!(phone.client.account().unwrap(), Some(account.clone()));
    assert!(phone.client.pending().unwrap().is_none());
    let own = laptop.client.account().unwrap().unwrap();
    assert_eq!((&account.name, account.account, &account.server), (&own.name, own.account, &own.server));
    assert_eq!(account.state_key.expose(), own.state_key.expose());
    for client in [&mut laptop.client, &mut phone.client] {
        let mut labels: Vec<_> =
            client.devices().await.unwrap().into_iter().filter_map(|device| device.label).collect();
        labels.sort();
        assert_eq!(labels, ["laptop", "phone"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_see_the_same_number_and_a_refusal_ends_it_for_both() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    for (reason, found) in
        [(LinkRefusal::StringDiffers, LinkProblem::StringDiffers), (LinkRefusal::Cancelled, LinkProblem::Cancelled)]
    {
        for holder_refuses in [true, false] {
            let mut phone = bed.home();
            let offered = laptop.client.offer_link().await.unwrap();
            let code = offered.code().clone();
            let (met, joining) = tokio::join!(offered.meet(), phone.client.join_link(code));
            let (mut met, joining) = (met.unwrap(), joining.unwrap());
            assert_eq!(met.string(), joining.string());
            let error = if holder_refuses {
                let (error, ()) = tokio::join!(phone.client.finish_link(joining, "phone"), met.refuse(reason));
                error.map(drop).unwrap_err()
            } else {
                let (error, ()) = tokio::join!(met.offer(), joining.refuse(reason));
                error.map(drop).unwrap_err()
            };
            assert!(problem(found)(&error), "{error:?}");
            nothing_left(&mut phone.client);
        }
    }
    assert_eq!(laptop.client.devices().await.unwrap().len(), 1, "nothing was published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_takes_one_device_and_not_for_ever() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let (mut phone, mut tablet) = (bed.home(), bed.home());
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let (met, joining) = tokio::join!(offered.meet(), phone.client.join_link(code.clone()));
    let second = tablet.client.join_link(code.clone()).await.map(drop).unwrap_err();
    assert!(refused(ErrorCode::LinkUsed)(&second), "{second:?}");
    // The first goes on undisturbed.
    let mut met = met.unwrap();
    let finish = phone.client.finish_link(joining.unwrap(), "phone");
    let admit = async {
        let offer = met.offer().await?;
        laptop.client.admit_device(&mut met, &offer, password()).await
    };
    let (admitted, joined) = tokio::join!(admit, finish);
    assert_eq!(admitted.unwrap().device, joined.unwrap().device);
    // Afterwards it is worth nothing, soon or late.
    let again = tablet.client.join_link(code.clone()).await.map(drop).unwrap_err();
    assert!(refused(ErrorCode::LinkUsed)(&again), "{again:?}");
    bed.pass(600);
    let late = tablet.client.join_link(code).await.map(drop).unwrap_err();
    assert!(refused(ErrorCode::LinkExpired)(&late), "{late:?}");
    nothing_left(&mut tablet.client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_password_can_be_typed_again() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let mut phone = bed.home();
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let hold = async {
        let mut met = offered.meet().await?;
        let offer = met.offer().await?;
        let wrong = Password::new("a wholly different phrase".to_owned());
        let error = laptop.client.admit_device(&mut met, &offer, wrong).await.map(drop).unwrap_err();
        assert!(matches!(error, ClientError::Ceremony(CeremonyError::SignInFailed)), "{error:?}");
        laptop.client.admit_device(&mut met, &offer, password()).await
    };
    let (admitted, joined) = tokio::join!(hold, join(&mut phone.client, code));
    assert_eq!(admitted.unwrap().device, joined.unwrap().device);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_codes_at_once_both_end_with_a_device() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let mut desktop = bed.home();
    desktop.client.login(&bed.link(), NAME, password(), "desktop").await.unwrap();
    let (mut phone, mut tablet) = (bed.home(), bed.home());
    let (one, two) = (laptop.client.offer_link().await.unwrap(), desktop.client.offer_link().await.unwrap());
    let (for_phone, for_tablet) = (one.code().clone(), two.code().clone());
    let (first, second, phone, tablet) = tokio::join!(
        hold(&mut laptop.client, one),
        hold(&mut desktop.client, two),
        join(&mut phone.client, for_phone),
        join(&mut tablet.client, for_tablet)
    );
    assert_eq!(first.unwrap().device, phone.unwrap().device);
    assert_eq!(second.unwrap().device, tablet.unwrap().device);
    assert_eq!(laptop.client.devices().await.unwrap().len(), 4);
}

/// Long enough for a sign-in on a busy machine: whoever waits for somebody who died waits so long.
const SHORT: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_old_device_dies_the_new_one_is_a_device_or_nothing() {
    let cuts = [
        (Cut::before("link-put", 0), false),
        (Cut::after("link-put", 1), false),
        (Cut::before("link-put", 2), false),
        (Cut::before("publish-identity", 0), false),
        (Cut::after("publish-identity", 0), true),
        (Cut::before("link-put", 3), true),
    ];
    join_all(cuts.map(|(cut, listed)| the_old_device_dies(cut, listed))).await;
}

async fn the_old_device_dies(cut: Cut, listed: bool) {
    let bed = Bed::new(SHORT);
    let mut laptop = bed.registered().await;
    let mut phone = bed.home();
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    laptop.cut.set(cut);
    let (held, joined) = tokio::join!(hold(&mut laptop.client, offered), join(&mut phone.client, code));
    laptop.cut.heal();
    let devices = laptop.client.devices().await.unwrap();
    assert_eq!(devices.len(), if listed { 2 } else { 1 }, "{cut:?}: {held:?}");
    match joined {
        Ok(account) => {
            assert!(listed, "{cut:?}");
            assert!(devices.iter().any(|device| device.device == account.device));
        }
        Err(error) => {
            assert!(!listed, "{cut:?}: {error:?}");
            assert!(phone.client.account().unwrap().is_none());
            assert!(phone.client.resume_link().await.unwrap().is_none());
            nothing_left(&mut phone.client);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_new_device_dies_it_goes_on_or_begins_anew() {
    let cuts = [
        (Cut::before("link-put", 1), false),
        (Cut::before("link-put", 2), false),
        (Cut::before("link-put", 3), false),
        (Cut::after("link-put", 3), true),
        (Cut::before("authenticate", 0), true),
        (Cut::before("vault-fetch", 0), true),
    ];
    join_all(cuts.map(|(cut, listed)| the_new_device_dies(cut, listed))).await;
}

async fn the_new_device_dies(cut: Cut, listed: bool) {
    let bed = Bed::new(SHORT);
    let mut laptop = bed.registered().await;
    let mut phone = bed.home();
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    phone.cut.set(cut);
    let (held, joined) = tokio::join!(hold(&mut laptop.client, offered), join(&mut phone.client, code));
    phone.cut.heal();
    assert_eq!(laptop.client.devices().await.unwrap().len(), if listed { 2 } else { 1 }, "{cut:?}: {held:?}");
    // A list of conversations that does not come is no reason to fail: the engine fetches it.
    let resumed = if joined.is_ok() { joined.ok() } else { phone.client.resume_link().await.unwrap() };
    assert_eq!(resumed.is_some(), listed, "{cut:?}");
    if listed {
        assert_eq!(held.unwrap().device, resumed.unwrap().device);
        assert_eq!(phone.client.devices().await.unwrap().len(), 2);
    } else {
        assert!(held.is_err(), "{cut:?}");
        nothing_left(&mut phone.client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_removed_while_it_links_is_told_and_keeps_nothing() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let mut phone = bed.home();
    let offered = laptop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    phone.cut.set(Cut::before("authenticate", 0));
    let (held, joined) = tokio::join!(hold(&mut laptop.client, offered), join(&mut phone.client, code));
    assert!(joined.is_err());
    phone.cut.heal();
    laptop.client.revoke_device(held.unwrap().device, Password::new(PASSWORD.to_owned())).await.unwrap();
    assert!(phone.client.resume_link().await.unwrap().is_none());
    nothing_left(&mut phone.client);
    // The other way round: the device that shows the code is removed while it waits.
    let mut desktop = bed.home();
    desktop.client.login(&bed.link(), NAME, password(), "desktop").await.unwrap();
    let offered = desktop.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let (met, joining) = tokio::join!(offered.meet(), phone.client.join_link(code.clone()));
    let (mut met, joining) = (met.unwrap(), joining.unwrap());
    let removed = desktop.client.account().unwrap().unwrap().device;
    laptop.client.revoke_device(removed, Password::new(PASSWORD.to_owned())).await.unwrap();
    let waiting = met.offer().await.map(drop).unwrap_err();
    assert!(refused(ErrorCode::LinkExpired)(&waiting), "{waiting:?}");
    let error = phone.client.finish_link(joining, "phone").await.map(drop).unwrap_err();
    assert!(refused(ErrorCode::LinkExpired)(&error), "{error:?}");
    nothing_left(&mut phone.client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_requires_links_takes_no_device_by_its_password() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered_account().await;
    let (mut phone, mut tablet) = (bed.home(), bed.home());
    assert!(laptop.place.client.require_link(true, password()).await.unwrap());
    assert!(!laptop.place.client.require_link(true, password()).await.unwrap(), "it is so already");
    let error = phone.client.login(&bed.link(), NAME, password(), "phone").await.map(drop).unwrap_err();
    assert!(matches!(error, ClientError::Ceremony(CeremonyError::LinkRequired)), "{error:?}");
    nothing_left(&mut phone.client);
    // A link makes one, and that makes the next.
    let offered = laptop.place.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let (held, joined) = tokio::join!(hold(&mut laptop.place.client, offered), join(&mut phone.client, code));
    assert_eq!(held.unwrap().device, joined.unwrap().device);
    let offered = phone.client.offer_link().await.unwrap();
    let code = offered.code().clone();
    let (held, joined) = tokio::join!(hold(&mut phone.client, offered), join(&mut tablet.client, code));
    let tablet_id = held.unwrap().device;
    joined.unwrap();
    // What the password does on a device it does as ever. Sign-ins are counted; those so far lie back.
    bed.pass(600);
    let own = &mut laptop.place.client;
    own.check_password(password()).await.unwrap();
    own.revoke_device(tablet_id, password()).await.unwrap();
    own.change_password(password(), Password::new("a wholly different phrase".to_owned())).await.unwrap();
    own.change_password(Password::new("a wholly different phrase".to_owned()), password()).await.unwrap();
    let mut desktop = bed.home();
    let error = desktop.client.login(&bed.link(), NAME, password(), "desktop").await.map(drop).unwrap_err();
    assert!(matches!(error, ClientError::Ceremony(CeremonyError::LinkRequired)), "{error:?}");
    // The phone has not heard of the roll yet: it says so.
    let error = phone.client.check_password(password()).await.unwrap_err();
    assert!(matches!(error, ClientError::Ceremony(CeremonyError::NotCaughtUp)), "{error:?}");
    // The recovery key is the way back, and then it is off again.
    desktop.client.login(&bed.link(), NAME, laptop.recovery_key.clone(), "desktop").await.unwrap();
    assert!(desktop.client.require_link(false, password()).await.unwrap());
    let mut last = bed.home();
    last.client.login(&bed.link(), NAME, password(), "last").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_with_an_account_joins_no_other() {
    let bed = Bed::new(600);
    let mut laptop = bed.registered().await;
    let offered = laptop.client.offer_link().await.unwrap();
    let error = laptop.client.join_link(offered.code().clone()).await.map(drop).unwrap_err();
    assert!(matches!(error, ClientError::AlreadyRegistered { .. }), "{error:?}");
}
