//! The OpenAPI document. It comes from the same registration as the routes; refusals that have one
//! cause everywhere (a bad body, no token, a limit) are added here and not at each handler.

use crate::api::api;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

/// The OpenAPI document of this release.
pub fn openapi() -> OpenApi {
    let mut document = api().split_for_parts().1;
    let components = document.components.get_or_insert_with(Default::default);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", bearer);
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten().filter(|_| path.starts_with("/api/")) {
            for (status, code) in refusals(path, operation) {
                add(operation, status, code);
            }
        }
    }
    document
}

/// What this kind of operation may be refused with, whatever it does.
fn refusals(path: &str, operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let parameters: Vec<&Parameter> =
        operation.parameters.iter().flatten().filter_map(named).collect();
    let (body, token) = (operation.request_body.is_some(), operation.security.is_some());
    let of_path = parameters.iter().any(|one| one.parameter_in == ParameterIn::Path);
    let keyed = parameters.iter().any(|one| one.name == "Idempotency-Key");
    let all = [
        (body || !parameters.is_empty(), "400", "VALIDATION, MALFORMED"),
        (token, "401", "UNAUTHORIZED"),
        (path.starts_with("/api/admin/"), "403", "FORBIDDEN"),
        (of_path, "404", "…_NOT_FOUND"),
        (keyed, "409", "IDEMPOTENCY_KEY_IN_USE"),
        (body, "413", "TOO_LARGE"),
        (body, "415", "UNSUPPORTED_MEDIA_TYPE"),
        (keyed, "422", "IDEMPOTENCY_KEY_REUSED"),
        (true, "429", "RATE_LIMITED"),
        (true, "503", "OVERLOADED, UNAVAILABLE, NOT_LOADED"),
    ];
    all.into_iter()
        .filter(|(applies, ..)| *applies)
        .map(|(_, status, code)| (status, code))
        .collect()
}

/// Nothing of ours stands elsewhere in the document.
fn named(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

fn add(operation: &mut Operation, status: &str, code: &str) {
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(code);
        RefOr::T(response.content("application/problem+json", problem).build())
    });
}
