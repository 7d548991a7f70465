#include "emotion/io/weights.h"

#include <fstream>

namespace emotion {

StateDict read_weights(const std::filesystem::path& file) { return read_safetensors(file); }

}  // namespace emotion
