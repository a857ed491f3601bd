// SISKIN_API marks what the installed library shows; everything else is hidden.
#pragma once

#define SISKIN_API __attribute__((visibility("default")))
