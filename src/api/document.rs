//! The OpenAPI document. It comes from the same registration as the routes. A handler names the
//! codes of its own refusals (`x-codes`). Codes with the same cause everywhere (a bad body, no
//! token, a limit) are added here.

use crate::api::api;
use crate::api::error::{ApiError, ErrorCode, FieldError, PROBLEM, WantedChallenge};
use crate::api::event_docs::describe_events;
use crate::api::header_docs::{RETRY_AFTER, describe_headers, has_parameter, header, headers};
use crate::api::idempotency::{KEY, UNMARKED, WITHOUT_KEY};
use crate::api::scopes::scope_of;
use crate::api::staff::{Admin, Manager, Reader, Seller};
use crate::domain::account::Role;
use crate::domain::api_key::Scope;
use crate::domain::ids::SeatId;
use axum::http::{Method, StatusCode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};

/// The schema of a plan in a request.
const PLAN_INPUT: &str = "SitePlanInput";

/// The OpenAPI document of this release.
pub fn openapi() -> OpenApi {
    let mut document = api().split_for_parts().1;
    let components = document.components.get_or_insert_with(Default::default);
    for (name, description) in SCHEMES {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some(description.to_owned());
        components.add_security_scheme(name, SecurityScheme::Http(bearer));
    }
    let examples = ErrorCode::ALL.iter().map(|code| (code.to_string(), RefOr::T(example(*code))));
    components.examples.extend(examples);
    components.headers.extend(headers());
    close_inputs(&mut components.schemas);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            describe_roles(operation);
            describe_scope(scope_of(&method, path), operation);
            describe_repeats(operation);
            describe_parameters(operation);
            describe_successes(operation);
            describe_refusals(path, operation);
            describe_headers(path, operation);
            describe_events(path, operation);
        }
    }
    document
}

/// The schemes of security. Both are the same header, but not everybody's token will do.
const SCHEMES: [(&str, &str); 2] = [
    (
        "token",
        "The `accessToken` of any log-in, or an API key with the scope in `x-scope` of the \
         operation. Without `x-scope` no key will do.",
    ),
    (
        "staff",
        "The `accessToken` of somebody with a role, or an API key with such a role and the scope \
         in `x-scope`. `x-roles` of the operation lists the roles. ORGANISER and BOX_OFFICE count \
         only at their own sites.",
    ),
];

/// A handler names the extractor of its caller as its security (`api::staff`).
fn describe_roles(operation: &mut Operation) {
    let security = serde_json::to_value(&operation.security).unwrap_or_default();
    let named = security.pointer("/0").and_then(Value::as_object);
    let roles: &[Role] = match named.and_then(|named| named.keys().next()).map(String::as_str) {
        Some("admin") => Admin::ROLES,
        Some("manager") => Manager::ROLES,
        Some("seller") => Seller::ROLES,
        Some("reader") => Reader::ROLES,
        _ => return,
    };
    operation.security = Some(vec![SecurityRequirement::new("staff", NO_SCOPES)]);
    let words: Vec<String> = roles.iter().map(|role| format!("`{}`", role.word())).collect();
    let who = format!("For {}.", words.join(", "));
    let told = operation.description.take().map(|told| format!("{told}\n\n{who}"));
    operation.description = told.or(Some(who));
    let roles = serde_json::to_value(roles).unwrap_or_default();
    operation.extensions.get_or_insert_default().insert("x-roles".to_owned(), roles);
}

const NO_SCOPES: [&str; 0] = [];

/// Names the scope that an API key needs for an operation.
fn describe_scope(scope: Option<Scope>, operation: &mut Operation) {
    let Some(scope) = scope else { return };
    let needed = format!("An API key needs the scope `{}`.", scope.word());
    let told = operation.description.take().map(|told| format!("{told}\n\n{needed}"));
    operation.description = told.or(Some(needed));
    operation.extensions.get_or_insert_default().insert("x-scope".to_owned(), scope.word().into());
}

/// Forbids unknown members in objects that have one schema for requests and responses (parts of a
/// plan, a queue). A plan in a response is flattened into a site, beside other members, so requests
/// get a schema of their own.
fn close_inputs(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    if let Some(plan) = schemas.get("SitePlan").cloned() {
        schemas.insert(PLAN_INPUT.to_owned(), plan);
    }
    let closed = ["Shape", "Grade", "Area", "Section", "Block", "Row", "QueueSettings", PLAN_INPUT];
    for name in closed {
        if let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(name) {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// Says on a route without a use for an `Idempotency-Key` why it needs none.
fn describe_repeats(operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let Some((_, words)) = WITHOUT_KEY.iter().find(|(known, _)| *known == id) else { return };
    let mut key = Parameter::new(KEY);
    key.parameter_in = ParameterIn::Header;
    key.required = Required::False;
    key.description = Some(format!("Not needed, and not used. {words}"));
    key.schema = Some(key_schema());
    operation.parameters.get_or_insert_default().push(RefOr::T(key));
}

fn key_schema() -> RefOr<Schema> {
    let key = ObjectBuilder::new().schema_type(Type::String);
    key.pattern(Some("^[!-~]{1,255}$")).build().into()
}

/// Parameters are never null, and every `Idempotency-Key` has a description.
fn describe_parameters(operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let about_key = if UNMARKED.contains(&id) {
        "With the same key and body nothing happens again, and the response shows how things \
         stand. It is not marked as repeated."
    } else {
        "The same key and body give the first response again."
    };
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        if parameter.name == KEY {
            parameter.schema = Some(key_schema());
            parameter.description.get_or_insert_with(|| about_key.to_owned());
        }
        if parameter.name == "If-Match" {
            let version = ObjectBuilder::new().schema_type(Type::String);
            let version = version.pattern(Some(r#"^(\*|"[0-9]{1,19}")$"#));
            parameter.schema = Some(version.build().into());
            parameter.description = Some(
                "The `version` that you have read, in quotes. The call is 412 when the document \
                 has another one."
                    .to_owned(),
            );
        }
        if parameter.name == "If-None-Match" {
            parameter.description =
                Some("The `ETag` that you have: 304 while nothing has changed.".to_owned());
        }
        if parameter.name == "Last-Event-ID" {
            parameter.description = Some(
                "The `id` of the last event that you have: the stream begins with what you have \
                 missed. Browsers send it by themselves. With any other text the stream begins \
                 with a snapshot."
                    .to_owned(),
            );
        }
        if let Some(schema) = &mut parameter.schema {
            without_null(schema);
        }
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::Ref(schema)) = &mut content.schema
                && schema.ref_location.ends_with("/SitePlan")
            {
                *schema = Ref::from_schema_name(PLAN_INPUT);
            }
        }
    }
}

fn without_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(kind) = types.iter().find(|kind| **kind != Type::Null)
            {
                object.schema_type = SchemaType::Type(kind.clone());
            }
        }
        RefOr::T(Schema::OneOf(choice)) => {
            let reference = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
            if let Some(reference) = reference.cloned() {
                *schema = reference;
            }
        }
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// OpenAPI demands a description of each response. The schema says the rest.
fn describe_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
        let words = status.and_then(|status| status.canonical_reason());
        if let (RefOr::T(response), Some(words)) = (response, words)
            && response.description.is_empty()
        {
            response.description = words.to_owned();
        }
    }
}

/// A problem document as the server sends it.
fn example(code: ErrorCode) -> Example {
    let seats = vec![SeatId(1_010_101), SeatId(1_010_102)];
    let error = match code {
        ErrorCode::Validation => ApiError::fields(vec![
            FieldError { field: "email".to_owned(), message: "is missing".to_owned() },
            FieldError { field: "password".to_owned(), message: "is missing".to_owned() },
        ]),
        ErrorCode::ChallengeRequired => {
            let token = "1763812345.c2VhdHM.c2lnbmF0dXJl".to_owned();
            ApiError::challenge_required(WantedChallenge::work(token, 17))
        }
        ErrorCode::SeatTaken => ApiError::seat_taken(seats).with_alternatives(vec![]),
        ErrorCode::SeatSold => ApiError::seat_sold(seats),
        ErrorCode::SeatNotFound => ApiError::seats_not_found(seats),
        ErrorCode::PaymentDeclined => {
            ApiError::declined("REJECT_CARD_COMPANY", "The card company refused.")
        }
        ErrorCode::TooManyRequests | ErrorCode::TooManyStreams => ApiError::too_many(code, 1),
        other => other.into(),
    };
    let problem = error.problem("0199a3f2-6c1e-7d3b-9b7e-0d6f5a4c3b2a");
    let value = serde_json::to_value(problem).unwrap_or_default();
    ExampleBuilder::new().summary(code.when()).value(Some(value)).build()
}

/// Adds a response for each status of a failure, with the codes of this status.
fn describe_refusals(path: &str, operation: &mut Operation) {
    let mut codes = named_by_handler(operation);
    codes.extend(common(path, operation));
    let mut by_status: BTreeMap<String, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(code);
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status, RefOr::T(refusal(&codes)));
    }
}

fn refusal(codes: &[ErrorCode]) -> Response {
    let lines: Vec<String> =
        codes.iter().map(|code| format!("- `{code}`: {}", code.when())).collect();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    content.examples = codes
        .iter()
        .map(|code| {
            (code.to_string(), RefOr::Ref(Ref::new(format!("#/components/examples/{code}"))))
        })
        .collect();
    let mut response =
        ResponseBuilder::new().description(lines.join("\n")).content(PROBLEM, content).build();
    let is_repeated = |code: &ErrorCode| {
        code.status() == StatusCode::TOO_MANY_REQUESTS || code.retry_after_seconds().is_some()
    };
    if codes.iter().any(is_repeated) {
        response.headers.insert(RETRY_AFTER.to_owned(), header(RETRY_AFTER));
    }
    response
}

/// Takes the codes that the handler names out of the operation.
fn named_by_handler(operation: &mut Operation) -> BTreeSet<ErrorCode> {
    let Some(extensions) = &mut operation.extensions else { return BTreeSet::new() };
    let named = extensions.remove("x-codes").unwrap_or(Value::Array(vec![]));
    if extensions.is_empty() {
        operation.extensions = None;
    }
    serde_json::from_value(named).unwrap_or_default()
}

/// The codes of every operation of this kind.
fn common(path: &str, operation: &Operation) -> Vec<ErrorCode> {
    if !path.starts_with("/api/") {
        return vec![];
    }
    let parameters: Vec<&Parameter> =
        operation.parameters.iter().flatten().filter_map(named).collect();
    let (body, token) = (operation.request_body.is_some(), operation.security.is_some());
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let unused = WITHOUT_KEY.iter().any(|(known, _)| *known == id);
    let keyed = has_parameter(operation, KEY) && !unused;
    let all = [
        (body || !parameters.is_empty(), ErrorCode::Validation),
        (body, ErrorCode::Malformed),
        (token, ErrorCode::Unauthorized),
        (token, ErrorCode::ScopeMissing),
        (path.starts_with("/api/admin/"), ErrorCode::Forbidden),
        (body, ErrorCode::TooLarge),
        (body, ErrorCode::UnsupportedMediaType),
        (keyed, ErrorCode::IdempotencyKeyInUse),
        (keyed, ErrorCode::IdempotencyKeyReused),
        (true, ErrorCode::TooManyRequests),
        (true, ErrorCode::Internal),
        (true, ErrorCode::Overloaded),
        (true, ErrorCode::Unavailable),
        (true, ErrorCode::NotLoaded),
        (true, ErrorCode::Timeout),
    ];
    let in_path = |parameter: &&&Parameter| parameter.parameter_in == ParameterIn::Path;
    let missing = parameters.iter().filter(in_path).filter_map(|found| missing(&found.name));
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, code)| code).chain(missing).collect()
}

/// The code of a path parameter whose id nothing has.
fn missing(parameter: &str) -> Option<ErrorCode> {
    let code = format!("{}_NOT_FOUND", parameter.to_uppercase());
    serde_json::from_value(Value::String(code)).ok()
}

/// A parameter that stands in the operation itself, as all of ours do.
fn named(parameter: &RefOr<Parameter>) -> Option<&Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}
