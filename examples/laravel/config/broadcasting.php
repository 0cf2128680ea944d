<?php

return [
    'default' => 'castgate',
    'connections' => [
        'castgate' => [
            'driver' => 'castgate',
            'address' => env('CASTGATE_CONTROL'),
            'key' => env('CASTGATE_CONTROL_KEY'),
        ],
    ],
];
