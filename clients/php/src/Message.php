<?php

declare(strict_types=1);

namespace Castgate;

/** What clients get: made by text, json or binary. */
final class Message
{
    /** @var array{text?: string, json?: mixed, base64?: string} the field of a push */
    public array $field;

    /** The payload itself, for pushRaw. */
    public string $bytes;

    private function __construct(array $field, string $bytes)
    {
        $this->field = $field;
        $this->bytes = $bytes;
    }

    /** A text message, which must be UTF-8 and may be empty. */
    public static function text(string $text): self
    {
        return new self(['text' => $text], $text);
    }

    /** A text message: the value in JSON. An empty array is a list; write new \stdClass for an object. */
    public static function json($value): self
    {
        return new self(['json' => $value], Json::encode($value));
    }

    public static function binary(string $bytes): self
    {
        return new self(['base64' => base64_encode($bytes)], $bytes);
    }
}
