#pragma once

#include <string>

#include "emotion/config/node.h"
#include "emotion/config/run_config.h"

namespace emotion {

/// The value of a key `a.b.c`; null if it is not there.
const ConfigNode* find_key(const ConfigNode& root, const std::string& key);

/// True for what keys stand in: `data`, `model.detector`; false for a key, whatever its value, and for what is neither.
bool is_section(const std::string& path);

/// Unknown keys, and keys that would do nothing for the task, in file order; of no task, an empty name, unknown ones alone.
/// @throws ConfigError
void check_keys(const ConfigNode& root, const std::string& task);

/// No part of the library expands `~/`: it would be a folder of that name. `~` alone is YAML's null.
/// @throws ConfigError at the first such value
void check_no_home(const ConfigNode& node);

/// True if a key stands there that decides with others which part of a picture is seen.
bool has_picture_key(const ConfigNode& root);
/// Of check_together() what is of those keys. @throws ConfigError
void check_pictures(const RunConfig& config, const ConfigNode& root, const std::string& name);

/// What no single key shows: values that cannot go together, keys that the others have no use for. `config` is what was read from
/// `root`; `name` is its file's, for what stands nowhere.
/// @throws ConfigError
void check_together(const RunConfig& config, const ConfigNode& root, const std::string& name);

}  // namespace emotion
