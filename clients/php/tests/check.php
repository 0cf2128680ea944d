<?php
/**
 * What the tests share. A test prints one line per check, its result in plain PHP, and exits with 1 if one of them was
 * not what it should be. Names of clients come as arguments, the gateway's address and key from the environment.
 */

declare(strict_types=1);

error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
ini_set('zend.exception_ignore_args', '0');
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if (error_reporting() & $level) {
        throw new ErrorException($message, 0, $level, $file, $line);
    }
    return false;
});

final class Check
{
    private static int $failures = 0;
    private static int $done = 0;

    public static function same(string $name, $got, $want): void
    {
        self::$done++;
        $plain = self::plain($got);
        if ($got === $want) {
            echo "ok   $name: $plain\n";
            return;
        }
        self::$failures++;
        echo "FAIL $name: $plain, want ", self::plain($want), "\n";
    }

    /** Compares, ignoring the order of keys and of lists of strings. */
    public static function sameSet(string $name, $got, $want): void
    {
        self::same($name, self::sorted($got), self::sorted($want));
    }

    /** Calls $call, which must throw a $class, and returns the exception. */
    public static function throws(string $name, string $class, callable $call): ?Throwable
    {
        try {
            $got = $call();
        } catch (Throwable $e) {
            self::same($name, get_class($e), $class);
            return $e;
        }
        self::same($name, $got, "a thrown $class");
        return null;
    }

    public static function finish(): void
    {
        if (self::$done === 0) {
            self::$failures++;
        }
        echo self::$done, ' checks, ', self::$failures, " failed\n";
        exit(self::$failures === 0 ? 0 : 1);
    }

    private static function plain($value): string
    {
        return preg_replace('/\s+/', ' ', var_export($value, true));
    }

    private static function sorted($value)
    {
        if (!is_array($value)) {
            return $value;
        }
        $isList = $value === array_values($value);
        $value = array_map([self::class, 'sorted'], $value);
        if (!$isList) {
            ksort($value, SORT_STRING);
        } elseif (array_filter($value, 'is_string') === $value) {
            sort($value, SORT_STRING);
        }
        return $value;
    }
}
