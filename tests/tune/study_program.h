// A program that a test starts, ends at any moment, and starts again: this executable with --study.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

// --study STORAGE TRIALS [wait]: a study of so many trials, resumed if it is there. wait: each trial of 2 and more
// waits for ever. Prints the results.
int run_study(int argc, char** argv);

// Such a program, started by a test.
class StudyProgram {
 public:
  explicit StudyProgram(const std::vector<std::string>& arguments);
  ~StudyProgram();
  StudyProgram(const StudyProgram&) = delete;
  StudyProgram& operator=(const StudyProgram&) = delete;

  pid_t process() const { return process_; }
  bool running() const;
  // Waits for its end; its exit status, below 0 the signal that ended it. `out`: what it printed.
  int wait(std::string* out = nullptr);

 private:
  pid_t process_;
  int out_;
  int status_ = 0;
  bool ended_ = false;
};

// What a study has found, without times: a line for each trial, from trials.jsonl.
std::vector<std::string> found(const std::filesystem::path& study);
