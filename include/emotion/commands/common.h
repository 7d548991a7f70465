#pragma once

/// Marks the entry of a command in libemotion.so: a function with C linkage, `void name(const Options&)`, that throws
/// emotion::Error. tools/ finds it by name once the flags are parsed; C++ programs may call it like any function.
#define EMOTION_COMMAND extern "C" __attribute__((visibility("default")))
