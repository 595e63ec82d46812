#!/bin/bash

# Sets ${quote} to the quotation mark that the current word begins with, and ${typed} to the word without
# quotation marks and backslashes. Nothing is expanded.
__hypi-attach_read_current_word() {
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

# positional arguments:
#
# - 1: the current (sub)command's count of positional arguments
#
# required variables:
#
# - repeating_flags: the repeating flags that the current (sub)command can accept
# - non_repeating_flags: the non-repeating flags that the current (sub)command can accept
# - repeating_options: the repeating options that the current (sub)command can accept
# - non_repeating_options: the non-repeating options that the current (sub)command can accept
# - positional_number: value ignored
# - unparsed_words: unparsed words from the current command line
#
# modified variables:
#
# - non_repeating_flags: remove flags for this (sub)command that are already on the command line
# - non_repeating_options: remove options for this (sub)command that are already on the command line
# - positional_number: set to the current positional number
# - unparsed_words: remove all flags, options, and option values for this (sub)command
__hypi-attach_offer_flags_options() {
    local -ir positional_count="${1}"
    positional_number=0

    local was_flag_option_terminator_seen=false
    local is_parsing_option_value=false

    local -ar unparsed_word_indices=("${!unparsed_words[@]}")
    local -i word_index
    for word_index in "${unparsed_word_indices[@]}"; do
        if "${is_parsing_option_value}"; then
            # This word is an option value:
            # Reset marker for next word iff not currently the last word
            [[ "${word_index}" -ne "${unparsed_word_indices[${#unparsed_word_indices[@]} - 1]}" ]] && is_parsing_option_value=false
            unset "unparsed_words[${word_index}]"
            # Do not process this word as a flag or an option
            continue
        fi

        local word="${unparsed_words["${word_index}"]}"
        if ! "${was_flag_option_terminator_seen}"; then
            case "${word}" in
            --)
                unset "unparsed_words[${word_index}]"
                # by itself -- is a flag/option terminator, but if it is the last word, it is the start of a completion
                if [[ "${word_index}" -ne "${unparsed_word_indices[${#unparsed_word_indices[@]} - 1]}" ]]; then
                    was_flag_option_terminator_seen=true
                fi
                continue
                ;;
            -*)
                # ${word} is a flag or an option
                # If ${word} is an option, mark that the next word to be parsed is an option value
                local option
                for option in "${repeating_options[@]}" "${non_repeating_options[@]}"; do
                    [[ "${word}" = "${option}" ]] && is_parsing_option_value=true && break
                done

                # Remove ${word} from ${non_repeating_flags} or ${non_repeating_options} so it isn't offered again
                local not_found=true
                local -i index
                for index in "${!non_repeating_flags[@]}"; do
                    if [[ "${non_repeating_flags[${index}]}" = "${word}" ]]; then
                        unset "non_repeating_flags[${index}]"
                        non_repeating_flags=("${non_repeating_flags[@]}")
                        not_found=false
                        break
                    fi
                done
                if "${not_found}"; then
                    for index in "${!non_repeating_flags[@]}"; do
                        if [[ "${non_repeating_flags[${index}]}" = "${word}" ]]; then
                            unset "non_repeating_flags[${index}]"
                            non_repeating_flags=("${non_repeating_flags[@]}")
                            break
                        fi
                    done
                fi
                unset "unparsed_words[${word_index}]"
                continue
                ;;
            esac
        fi

        # ${word} is neither a flag, nor an option, nor an option value
        if [[ "${positional_number}" -lt "${positional_count}" || "${positional_count}" -lt 0 ]]; then
            # ${word} is a positional
            ((positional_number++))
            unset "unparsed_words[${word_index}]"
        else
            if [[ -z "${word}" ]]; then
                # Could be completing a flag, option, or subcommand
                positional_number=-1
            else
                # ${word} is a subcommand or invalid, so stop processing this (sub)command
                positional_number=-2
            fi
            break
        fi
    done

    unparsed_words=("${unparsed_words[@]}")

    if\
        ! "${was_flag_option_terminator_seen}"\
        && ! "${is_parsing_option_value}"\
        && [[ ("${cur}" = -* && "${positional_number}" -ge 0) || "${positional_number}" -eq -1 ]]
    then
        __hypi-attach_add_lines "$(printf '%s\n' "${repeating_flags[@]}" "${non_repeating_flags[@]}" "${repeating_options[@]}" "${non_repeating_options[@]}")"
    fi
}

# Adds the lines of ${1} that begin with the current word, each as one literal word of the shell. compgen -W would
# expand them, and their text comes from peers.
__hypi-attach_add_lines() {
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
__hypi-attach_add_completions() {
    local path
    __hypi-attach_add_lines "$(
        compgen "${@}" -- "${typed}" | while IFS='' read -r path; do
            if [[ -d "${path/#'~/'/${HOME}/}" ]]; then printf '%s/\n' "${path}"; else printf '%s\n' "${path}"; fi
        done
    )"
}

__hypi-attach_custom_complete() {
    if [[ -n "${cur}" || -z ${COMP_WORDS[${COMP_CWORD}]} || "${COMP_LINE:${COMP_POINT}:1}" != ' ' ]]; then
        local -a words=("${COMP_WORDS[@]}")
    else
        local -a words=("${COMP_WORDS[@]::${COMP_CWORD}}" '' "${COMP_WORDS[@]:${COMP_CWORD}}")
    fi
    words[COMP_CWORD]="${typed}"

    "${COMP_WORDS[0]}" "${@}" "${words[@]}"
}

_hypi-attach() {
    local state
    state="$(shopt -p;shopt -po)"
    trap "${state//$'\n'/;}" RETURN
    shopt -s extglob
    set +o history +o posix

    local -xr SAP_SHELL=bash
    local -x SAP_SHELL_VERSION
    SAP_SHELL_VERSION="$(IFS='.';printf %s "${BASH_VERSINFO[*]}")"
    local -r SAP_SHELL_VERSION

    local -r cur="${2}"
    local -r prev="${3}"
    local quote typed
    __hypi-attach_read_current_word

    local -i positional_number
    local -a unparsed_words=("${COMP_WORDS[@]:1:${COMP_CWORD}}")

    local -a repeating_flags=()
    local -a non_repeating_flags=(--json --jsonl-in --follow --last --abort --stop --resume --no-wait --deny --insecure --version -h --help)
    local -a repeating_options=(--answer)
    local -a non_repeating_options=(-p --prompt --role --timeout --jobs --enter --hypivisor --token-file --ca-file --tls-pin)
    __hypi-attach_offer_flags_options -1

    # Offer option value completions
    case "${prev}" in
    '-p'|'--prompt')
        return
        ;;
    '--role')
        __hypi-attach_add_lines 'controller'$'\n''observer'
        return
        ;;
    '--answer')
        return
        ;;
    '--timeout')
        return
        ;;
    '--jobs')
        return
        ;;
    '--enter')
        __hypi-attach_add_lines 'steer'$'\n''queue'
        return
        ;;
    '--hypivisor')
        return
        ;;
    '--token-file')
        __hypi-attach_add_completions -f
        return
        ;;
    '--ca-file')
        __hypi-attach_add_completions -f
        return
        ;;
    '--tls-pin')
        return
        ;;
    esac

    # Offer positional completions
    case "${positional_number}" in
    *)
        __hypi-attach_add_lines "$(__hypi-attach_custom_complete ---completion -- positional@0 "${COMP_CWORD}" "${#typed}")"
        return
        ;;
    esac
}

complete -o nospace -F _hypi-attach hypi-attach
