#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace emotion {

/// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_utf8(std::string_view text);
/// The name of a picture, of a file that is written down in a manifest, an index or a JSON result: those are UTF-8, and another
/// name would not be found again. @throws DataError with the name, its other bytes as \xNN
void check_utf8_name(std::string_view name);
/// A line of a file whose words go into weights and results, which are UTF-8. @throws DataError with file:line if it is not
void check_utf8_line(std::string_view line, const std::filesystem::path& file, std::uint64_t number);
/// The text with bytes that are not UTF-8 as \xNN, for errors.
std::string shown_utf8(std::string_view text);

/// Without the byte order mark that editors of Windows put in front; it would become part of the first word.
std::string_view without_byte_order_mark(std::string_view text);
/// read_file() of a text that others have written, without its byte order mark. @throws DataError as read_file
std::string read_text(const std::filesystem::path& file, std::uint64_t limit = std::uint64_t{1} << 32);

/// Capital letters of Latin (ASCII, Latin-1, Extended-A, Romanian), Greek and Cyrillic as small ones, character by character; a
/// sigma that ends a word as it is written there. The Turkish dotted and dotless i and what has no small letter of its own stay,
/// as does all else, bytes that are no UTF-8 among it.
std::string small_letters(std::string_view text);

}  // namespace emotion
