#pragma once

#include <string>
#include <string_view>

namespace emotion {

/// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_utf8(std::string_view text);
/// The name of a picture, of a file that is written down in a manifest, an index or a JSON result: those are UTF-8, and another
/// name would not be found again. @throws DataError with the name, its other bytes as \xNN
void check_utf8_name(std::string_view name);

}  // namespace emotion
