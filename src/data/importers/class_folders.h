#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "draft.h"

namespace emotion {

/// Every file below image_root/FOLDER/CLASS, labelled with the class; files that neither are pictures nor are called so are
/// skipped. A folder that holds pictures and is called like no class is ignored, with a warning. False if no folder is called as
/// a class.
bool add_class_folders(ImportDraft& draft, const std::filesystem::path& folder, const std::string& split = {});
/// True if `folder` has at least two subfolders called as classes.
bool has_class_folders(const std::filesystem::path& folder, const std::vector<std::string>& classes);

}  // namespace emotion
