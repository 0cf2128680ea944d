<?php

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;

require getenv('AUTOLOAD') ?: __DIR__ . '/../vendor/autoload.php';

$app = require __DIR__ . '/../bootstrap/app.php';
$kernel = $app->make(Kernel::class);
$request = Request::capture();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
