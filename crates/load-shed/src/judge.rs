//! What a request's head says of its claim to a slot.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use http::{Request, request};
use macadam_core::{Criticality, RequestContext};

use crate::queue::Claim;

/// The user's functions of a request's head. None of them is there unless it was given.
#[derive(Clone, Default)]
pub(crate) struct Judge {
    pub(crate) exempt: Option<Exempt>,
    pub(crate) criticality: Option<Rate>,
    pub(crate) tenant: Option<Tell>,
}

pub(crate) type Exempt = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;
pub(crate) type Rate = Arc<dyn Fn(&request::Parts) -> Criticality + Send + Sync>;
pub(crate) type Tell = Arc<dyn Fn(&request::Parts) -> Option<u64> + Send + Sync>;

/// What a request is to the gate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Passes without a slot, while not too many do.
    Exempt(Claim),
    Claims(Claim),
}

impl Judge {
    /// Judges by what an outer layer may have said, if there is nobody to ask: a request is large, and taken apart
    /// only for who wants to see its head.
    #[inline]
    pub(crate) fn judge_unasked<B>(&self, request: &Request<B>) -> Option<Judgement> {
        let asks = self.exempt.is_some() || self.criticality.is_some() || self.tenant.is_some();
        (!asks).then(|| {
            let criticality =
                RequestContext::get(request).map_or(Criticality::Critical, RequestContext::criticality);
            Judgement::Claims(Claim { class: criticality as u8, tenant: None })
        })
    }

    pub(crate) fn judge<B>(&self, request: Request<B>) -> (Judgement, Request<B>) {
        let (head, body) = request.into_parts();
        let judgement = if self.exempt.as_ref().is_some_and(|exempt| exempt(&head)) {
            Judgement::Exempt(Claim::default())
        } else {
            Judgement::Claims(self.claim(&head))
        };
        (judgement, Request::from_parts(head, body))
    }

    fn claim(&self, head: &request::Parts) -> Claim {
        let context = head.extensions.get::<RequestContext>();
        let criticality = match (&self.criticality, context) {
            (Some(rate), context) => {
                let criticality = rate(head);
                if let Some(context) = context {
                    context.set_criticality(criticality);
                }
                criticality
            }
            (None, context) => context.map_or(Criticality::Critical, RequestContext::criticality),
        };
        let tenant = self.tenant.as_ref().and_then(|tell| tell(head));
        Claim { class: criticality as u8, tenant }
    }
}

/// A function that tells tenants apart by a hash that no tenant can foresee.
pub(crate) fn tell<T: Hash>(tenant: impl Fn(&request::Parts) -> Option<T> + Send + Sync + 'static) -> Tell {
    let state = RandomState::new();
    Arc::new(move |head| Some(state.hash_one(tenant(head)?)))
}
