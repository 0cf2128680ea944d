<?php
// Generated from the OpenAPI document by make clients. Do not edit.

declare(strict_types=1);

namespace Castgate;

/** Codes of problems, in CastgateException::$errorCode. */
final class Problem
{
    public const BAD_REQUEST = 'bad_request';
    public const BODY_TOO_LARGE = 'body_too_large';
    public const BROWSER = 'browser';
    public const BUSY = 'busy';
    public const DEADLINE = 'deadline';
    public const DUPLICATE_FIELD = 'duplicate_field';
    public const EVENT_GONE = 'event_gone';
    public const FORBIDDEN = 'forbidden';
    public const HEADER_TOO_LARGE = 'header_too_large';
    public const HTTP_VERSION = 'http_version';
    public const INTERNAL = 'internal';
    public const INVALID_BASE64 = 'invalid_base64';
    public const INVALID_CLOSE_CODE = 'invalid_close_code';
    public const INVALID_CURSOR = 'invalid_cursor';
    public const INVALID_JSON = 'invalid_json';
    public const INVALID_LIMIT = 'invalid_limit';
    public const INVALID_NAME = 'invalid_name';
    public const INVALID_PARAMETER = 'invalid_parameter';
    public const INVALID_REASON = 'invalid_reason';
    public const INVALID_SESSION = 'invalid_session';
    public const INVALID_UTF8 = 'invalid_utf8';
    public const INVALID_VALUE = 'invalid_value';
    public const LENGTH_REQUIRED = 'length_required';
    public const MESSAGE_TOO_LARGE = 'message_too_large';
    public const MISSING_FIELD = 'missing_field';
    public const NO_PAYLOAD = 'no_payload';
    public const NO_TARGET = 'no_target';
    public const NODE_UNREACHABLE = 'node_unreachable';
    public const NOT_FOUND = 'not_found';
    public const NOT_READY = 'not_ready';
    public const RELOAD_REFUSED = 'reload_refused';
    public const SESSION_TOO_LARGE = 'session_too_large';
    public const SEVERAL_PAYLOADS = 'several_payloads';
    public const STOPPING = 'stopping';
    public const TIMEOUT = 'timeout';
    public const TOO_DEEP = 'too_deep';
    public const TOO_MANY = 'too_many';
    public const TOO_MANY_CONNECTIONS = 'too_many_connections';
    public const TOO_MANY_GROUPS = 'too_many_groups';
    public const UNAUTHORIZED = 'unauthorized';
    public const UNKNOWN_CLIENT = 'unknown_client';
    public const UNKNOWN_FIELD = 'unknown_field';
    public const UNKNOWN_PARAMETER = 'unknown_parameter';
    public const UNSUPPORTED_MEDIA_TYPE = 'unsupported_media_type';
    public const WRONG_TYPE = 'wrong_type';
}
