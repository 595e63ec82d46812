/// What our completion scripts for bash do in place of the argument parser's `compgen -W`.
///
/// `compgen -W` expands its words as the shell does (bash(1), "Programmable Completion"), and words here are names that
/// peers chose: `$(...)` in one would run as a command when the user presses the tab key. Candidates are therefore compared
/// and quoted line by line, so that what Enter runs later is one literal word, too.
struct BashCompletion {
    private let prefix: String

    /// The part for a program.
    init(_ tool: String) {
        prefix = "__\(tool)"
    }

    /// The script's lines with our functions in place of the parser's.
    func lines(_ lines: [String]) -> [String] {
        var lines = lines
        for (name, body) in functions {
            guard let start = lines.firstIndex(of: "\(prefix)_\(name)() {"),
                let end = lines[start...].firstIndex(of: "}")
            else { continue }
            lines.replaceSubrange(
                start...end, with: body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
        }
        return lines.map(line)
    }

    private func line(_ line: String) -> String {
        let cursor = #""$(\#(prefix)_cursor_index_in_current_word)""#
        var line = line.replacing("\(prefix)_add_completions -W ", with: "\(prefix)_add_lines ")
            .replacing(cursor, with: #""${#typed}""#)
        if let start = line.firstRange(of: "COMPREPLY+=($(compgen -W \""), line.contains("_flags[*]}") {
            let arrays =
                #""${repeating_flags[@]}" "${non_repeating_flags[@]}" "${repeating_options[@]}" "${non_repeating_options[@]}""#
            line = line[..<start.lowerBound] + #"\#(prefix)_add_lines "$(printf '%s\n' \#(arrays))""#
        }
        guard line == #"    local -r prev="${3}""# else {
            return line.hasPrefix("complete -o filenames ") ? line.replacing("-o filenames", with: "-o nospace") : line
        }
        return line + "\n    local quote typed\n    \(prefix)_read_current_word"
    }

    private var functions: [(name: String, body: String)] {
        [
            ("cursor_index_in_current_word", readCurrentWord), ("add_completions", addCompletions),
            ("custom_complete", customComplete),
        ]
    }

    private var readCurrentWord: String {
        #"""
        # Sets ${quote} to the quotation mark that the current word begins with, and ${typed} to the word without
        # quotation marks and backslashes. Nothing is expanded.
        \#(prefix)_read_current_word() {
            quote=''
            typed="${cur}"
            case "${COMP_WORDS[${COMP_CWORD}]}" in
            \'* | \"*)
                quote="${COMP_WORDS[${COMP_CWORD}]:0:1}"
                typed="${typed#"${quote}"}"
                return
                ;;
            esac
            local rest="${cur}"
            typed=''
            while [[ "${rest}" = *\\* ]]; do
                typed+="${rest%%\\*}"
                rest="${rest#*\\}"
                typed+="${rest:0:1}"
                rest="${rest:1}"
            done
            typed+="${rest}"
        }
        """#
    }

    private var addCompletions: String {
        #"""
        # Adds the lines of ${1} that begin with the current word, each as one literal word of the shell. compgen -W would
        # expand them, and their text comes from peers.
        \#(prefix)_add_lines() {
            local candidate tilde word
            while IFS='' read -r candidate; do
                [[ -n "${candidate}" && "${candidate}" = "${typed}"* ]] || continue
                case "${quote}" in
                \')
                    [[ "${candidate}" = *\'* ]] || COMPREPLY+=("${candidate}")
                    ;;
                \")
                    [[ "${candidate}" = *[\"\$\`\\!]* ]] || COMPREPLY+=("${candidate}")
                    ;;
                *)
                    tilde=''
                    [[ "${typed}" = '~/'* ]] && tilde='~/'
                    candidate="${candidate#"${tilde}"}"
                    word=''
                    [[ -n "${candidate}" ]] && printf -v word %q "${candidate}"
                    [[ -z "${candidate}" || "${candidate}" = */ ]] || word+=' '
                    COMPREPLY+=("${tilde}${word}")
                    ;;
                esac
            done < <(printf '%s\n' "${1}")
        }

        # Adds files and folders: what compgen finds for ${@}, such as -f.
        \#(prefix)_add_completions() {
            local path
            \#(prefix)_add_lines "$(
                compgen "${@}" -- "${typed}" | while IFS='' read -r path; do
                    if [[ -d "${path/#'~/'/${HOME}/}" ]]; then printf '%s/\n' "${path}"; else printf '%s\n' "${path}"; fi
                done
            )"
        }
        """#
    }

    private var customComplete: String {
        #"""
        \#(prefix)_custom_complete() {
            if [[ -n "${cur}" || -z ${COMP_WORDS[${COMP_CWORD}]} || "${COMP_LINE:${COMP_POINT}:1}" != ' ' ]]; then
                local -a words=("${COMP_WORDS[@]}")
            else
                local -a words=("${COMP_WORDS[@]::${COMP_CWORD}}" '' "${COMP_WORDS[@]:${COMP_CWORD}}")
            fi
            words[COMP_CWORD]="${typed}"

            "${COMP_WORDS[0]}" "${@}" "${words[@]}"
        }
        """#
    }
}
