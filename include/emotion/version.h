#pragma once

namespace emotion {

/// The library's version, `0.1.0`: of the file that was opened, whatever headers a program was compiled with.
const char* version();

}  // namespace emotion
