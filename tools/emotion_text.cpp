#include "command_line.h"
#include "emotion/commands/text.h"
#include "share_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Word vectors of keywords, and what a TextCNN reads in them.", "emotion_text");
  app.require_subcommand(1);
  emotion::Word2VecCommand w;
  auto* word2vec =
      app.add_subcommand("word2vec", "trains skip-gram vectors with negative sampling on a data set's keyword lists");
  word2vec->add_option("--data", w.data, "data set")->required()->type_name("DATASET");
  word2vec->add_option("--split", w.split)->capture_default_str();
  word2vec->add_option("--out", w.out, "Google's form: .bin or .txt")->required()->type_name("FILE");
  word2vec->add_option("--vocabulary", w.vocabulary, "writes the words there, one a line")->type_name("FILE");
  word2vec->add_option("--dimension", w.dimension)->capture_default_str();
  word2vec->add_option("--window", w.window, "words each side; 0 = the whole list, which has no order")->capture_default_str();
  word2vec->add_option("--negative", w.negative, "noise words a pair")->capture_default_str();
  word2vec->add_option("--epochs", w.epochs)->capture_default_str();
  word2vec->add_option("--min-count", w.min_count, "rarer words are dropped")->capture_default_str();
  word2vec->add_option("--alpha", w.alpha, "first learning rate")->capture_default_str();
  word2vec->add_option("--subsample", w.subsample, "threshold for frequent words; 0 = keep all")->capture_default_str();
  word2vec->add_option("--threads", w.threads, "0 = one per core; with 1 the same seed gives the same bits")
      ->capture_default_str();
  word2vec->add_option("--seed", w.seed)->capture_default_str();
  add_share_flags(*word2vec, w.share);

  emotion::NearestCommand n;
  auto* nearest = app.add_subcommand("nearest", "the words of highest cosine");
  nearest->add_option("--word2vec", n.word2vec, "word vectors")->required()->type_name("FILE");
  nearest->add_option("--top", n.top)->capture_default_str();
  nearest->add_option("--json", n.json, "writes JSON there instead; - prints it")->type_name("FILE");
  nearest->add_option("words", n.words)->required()->type_name("WORD");

  emotion::TextCNNPredictCommand p;
  auto* predict = app.add_subcommand("textcnn-predict", "emotions a TextCNN reads in keywords");
  predict->add_option("--checkpoint", p.checkpoint, "run folder or model.safetensors")->required()->type_name("RUN");
  predict->add_option("--top", p.top)->capture_default_str();
  predict->add_option("--json", p.json, "writes all probabilities there instead; - prints them")->type_name("FILE");
  predict->add_option("words", p.words)->required()->type_name("WORD");

  emotion::LabelCommand l;
  auto* label = app.add_subcommand(
      "label", "a copy of a data set whose labels are the class a TextCNN finds likeliest in each list of keywords");
  label->add_option("--checkpoint", l.checkpoint, "run folder or model.safetensors")->required()->type_name("RUN");
  label->add_option("--data", l.data, "data set with keywords; its pictures stay where they are")
      ->required()
      ->type_name("DATASET");
  label->add_option("--out", l.out, "data set to make")->required()->type_name("DATASET");
  label->add_option("--batch", l.batch, "lists at a time")->capture_default_str()->check(emotion::counts(1));
  label->add_flag("--skip", l.skip, "leaves out samples without a keyword that the TextCNN could read, and counts them");

  app.footer("Example: emotion_text nearest --word2vec data/word2vec.bin calm storm");
  return emotion::run_command(app, argc, argv, [&] {
    if (word2vec->parsed()) EMOTION_CALL(emotion_text_word2vec, w);
    if (nearest->parsed()) EMOTION_CALL(emotion_text_nearest, n);
    if (predict->parsed()) EMOTION_CALL(emotion_text_textcnn_predict, p);
    if (label->parsed()) EMOTION_CALL(emotion_text_label, l);
  });
}
