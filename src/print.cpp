#include "emotion/print.h"

#include <cstdio>

namespace emotion {

void print_text(std::string_view text) noexcept { static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout)); }

}  // namespace emotion
