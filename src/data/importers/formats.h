#pragma once

#include <filesystem>

#include "draft.h"

namespace emotion {

// Each fills `draft` from the folder of a published data set. @throws DataError with file and line
void read_abstract(const std::filesystem::path& root, ImportDraft& draft);
void read_affectnet(const std::filesystem::path& root, ImportDraft& draft);
void read_affectnet8(const std::filesystem::path& root, ImportDraft& draft);
void read_artphoto(const std::filesystem::path& root, ImportDraft& draft);
void read_emoset(const std::filesystem::path& root, ImportDraft& draft);
void read_emotic(const std::filesystem::path& root, ImportDraft& draft);
void read_emotion6(const std::filesystem::path& root, ImportDraft& draft);
void read_emotionroi(const std::filesystem::path& root, ImportDraft& draft);
void read_fer2013(const std::filesystem::path& root, ImportDraft& draft);
void read_ferplus(const std::filesystem::path& root, ImportDraft& draft);
void read_fi(const std::filesystem::path& root, ImportDraft& draft);
void read_iapsa(const std::filesystem::path& root, ImportDraft& draft);
void read_se30k8(const std::filesystem::path& root, ImportDraft& draft);
void read_stockemotion(const std::filesystem::path& root, ImportDraft& draft);
void read_ube(const std::filesystem::path& root, ImportDraft& draft);
void read_webemo(const std::filesystem::path& root, ImportDraft& draft);

}  // namespace emotion
