#include "checkpoint_flags.h"
#include "emotion/commands/search.h"

namespace {

void add_query_flags(CLI::App& app, emotion::SearchQueryCommand& o) {
  app.add_option("--index", o.index, "made by `index`")->required()->type_name("FILE");
  app.add_option("--k", o.k, "pictures given; of a smaller index all")->capture_default_str()->check(emotion::counts(1));
  app.add_option("--breadth", o.breadth, "hnsw: candidates kept; more find more and take longer")
      ->capture_default_str()
      ->check(emotion::counts(1));
  app.add_option("--json", o.json, "writes the results there; - prints them alone")->type_name("FILE");
  app.add_option("--report", o.report, "writes a page with the pictures")->type_name("FILE");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Finds the pictures nearest to a picture or to words.", "emotion_search");
  app.require_subcommand(1);
  emotion::SearchIndexCommand make;
  auto* index = app.add_subcommand("index", "makes an index of a data set or a folder of pictures");
  add_checkpoint_flags(*index, make, /*required=*/true);
  add_batch_flags(*index, make);
  index->add_option("--data", make.data, "data set, or a folder of pictures")->required()->type_name("DATASET|DIR");
  index->add_option("--split", make.split, "of a data set")->capture_default_str();
  index->add_option("--space", make.space, "features: of the backbone; joint: among the word vectors, for words as queries")
      ->capture_default_str()
      ->check(CLI::IsMember({"features", "joint"}));
  index->add_option("--kind", make.kind, "hnsw: a graph of neighbours; exact: every vector is compared")
      ->capture_default_str()
      ->check(CLI::IsMember({"hnsw", "exact"}));
  index->add_option("--out", make.out, "index file")->required()->type_name("FILE");

  emotion::SearchQueryCommand by_image, by_text;
  auto* image = app.add_subcommand("image", "nearest to each of some pictures");
  add_checkpoint_flags(*image, by_image, /*required=*/false);
  image->get_option("--checkpoint")->description("default: the network that the index was made with");
  add_query_flags(*image, by_image);
  image->add_option("images", by_image.queries, "pictures, or folders of them; --set data.on_error=skip leaves broken ones out")
      ->required()
      ->type_name("IMAGE|DIR");

  auto* text = app.add_subcommand("text", "nearest to the mean of some words' vectors; wants an index of --space joint");
  add_query_flags(*text, by_text);
  text->add_option("--word2vec", by_text.word2vec, "word vectors the network was trained with")->required()->type_name("FILE");
  text->add_option("words", by_text.queries, "words")->required()->type_name("WORD");
  app.footer(
      "Example: emotion_search index --checkpoint runs/demo/emotionnet --data data/demo/stock --space joint --out stock.search");
  return emotion::run_command(app, argc, argv, [&] {
    if (*index) EMOTION_CALL(emotion_search_index, make);
    if (*image) EMOTION_CALL(emotion_search_image, by_image);
    if (*text) EMOTION_CALL(emotion_search_text, by_text);
  });
}
