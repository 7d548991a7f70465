#pragma once

#include <string>
#include <string_view>

namespace emotion {

/// The form of a command's result.
enum class ResultForm { kJson, kPage, kTensors, kIndex };

/// Refuses a name whose ending says another form than the one that is written; other endings, and none, are fine. `-`, which is
/// stdout, is for JSON alone.
/// @throws ConfigError naming the flag
void check_result_name(std::string_view flag, const std::string& file, ResultForm form);
/// check_result_name(), and whether the file can be written. Nothing where `file` is empty. @throws ConfigError, RunError
void check_result_file(std::string_view flag, const std::string& file, ResultForm form);
/// The same for a command that makes the data set `out` (empty = none): a file in its folder needs no folder yet.
void check_result_beside(std::string_view flag, const std::string& file, ResultForm form, const std::string& out);

/// Writes JSON whole or not at all, or prints it where `file` is `-`. @throws RunError
void write_json_result(const std::string& file, std::string_view json);

}  // namespace emotion
