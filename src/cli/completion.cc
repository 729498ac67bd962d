// `roundhouse completion bash|zsh|fish`: a script made from the parser's own tree of commands, so
// it can't fall behind it.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/output.h"

namespace rh::cli {
namespace {

struct Node {
    std::string path;  // words of the command, separated by a blank; empty: the program itself
    std::vector<const CLI::App*> commands;
    std::vector<std::pair<std::string, std::string>> flags;  // "--name", what it does
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
    Node node{path, app.get_subcommands([](const CLI::App*) { return true; }), {}};
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            node.flags.emplace_back("--" + name, first_line(option->get_description()));
        }
    }
    const auto commands = node.commands;
    nodes.push_back(std::move(node));
    for (const CLI::App* command : commands) {
        collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(),
                nodes);
    }
}

std::string words_of(const Node& node) {
    std::string words;
    for (const CLI::App* command : node.commands) {
        words += (words.empty() ? "" : " ") + command->get_name();
    }
    for (const auto& [flag, what] : node.flags) {
        words += (words.empty() ? "" : " ") + flag;
    }
    return words;
}

// zsh runs it through bashcompinit.
std::string bash_script(const std::vector<Node>& nodes) {
    std::string out =
        "_roundhouse() {\n"
        "    local current=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" word words i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=\"${COMP_WORDS[i]}\"\n"
        "        case \"${path:+$path }$word\" in\n";
    std::string paths;
    for (const Node& node : nodes) {
        if (!node.path.empty()) {
            paths += fmt::format("{}\"{}\"", paths.empty() ? "" : "|", node.path);
        }
    }
    out += fmt::format("            {}) path=\"${{path:+$path }}$word\" ;;\n", paths);
    out += "        esac\n    done\n    case \"$path\" in\n";
    for (const Node& node : nodes) {
        out += fmt::format("        \"{}\") words=\"{}\" ;;\n", node.path, words_of(node));
    }
    out +=
        "    esac\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
        "}\n"
        "complete -o default -F _roundhouse roundhouse\n";
    return out;
}

std::string quoted(std::string text) {
    for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2) {
        text.insert(at, "\\");
    }
    return "'" + text + "'";
}

std::string fish_script(const std::vector<Node>& nodes) {
    std::string out;
    for (const Node& node : nodes) {
        std::string condition = "__fish_use_subcommand";
        if (!node.path.empty()) {
            condition.clear();
            std::string_view rest = node.path;
            while (!rest.empty()) {
                const size_t blank = std::min(rest.find(' '), rest.size());
                condition += fmt::format("{}__fish_seen_subcommand_from {}",
                                         condition.empty() ? "" : "; and ", rest.substr(0, blank));
                rest.remove_prefix(std::min(blank + 1, rest.size()));
            }
        }
        for (const CLI::App* command : node.commands) {
            out += fmt::format("complete -c roundhouse -n {} -a {} -d {}\n", quoted(condition),
                               command->get_name(), quoted(first_line(command->get_description())));
        }
        for (const auto& [flag, what] : node.flags) {
            out += fmt::format("complete -c roundhouse -n {} -l {} -d {}\n", quoted(condition),
                               flag.substr(2), quoted(what));
        }
    }
    return out;
}

}  // namespace

void add_completion(CLI::App& program, Invocation& invocation) {
    CLI::App& command =
        add_command(program, invocation, "completion", "Print a completion script for a shell.",
                    {"source <(roundhouse completion bash)", "source <(roundhouse completion zsh)",
                     "roundhouse completion fish > ~/.config/fish/completions/roundhouse.fish"});
    auto shell = std::make_shared<std::string>();
    command.add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command.callback([&program, &invocation, shell] {
        invocation.action = [&program, shell]() -> Result<int> {
            std::vector<Node> nodes;
            collect(program, "", nodes);
            const std::string load = "autoload -U +X bashcompinit && bashcompinit\n";
            RH_TRY(write_out(*shell == "fish"  ? fish_script(nodes)
                             : *shell == "zsh" ? load + bash_script(nodes)
                                               : bash_script(nodes)));
            return kExitOk;
        };
    });
}

}  // namespace rh::cli
