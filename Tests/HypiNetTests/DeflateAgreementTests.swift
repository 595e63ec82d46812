@testable import HypiNet
import Testing

@Suite("permessage-deflate is negotiated as RFC 7692 section 7.1 has it") struct DeflateAgreementTests {
    private static let plain = "permessage-deflate; client_no_context_takeover"

    @Test(
        "an offer that can be served is answered with what was agreed, the first of several",
        arguments: [
            ("permessage-deflate", plain, 15),
            ("PerMessage-Deflate ; client_max_window_bits", plain, 15),
            ("permessage-deflate; client_max_window_bits=8", plain, 15),
            ("permessage-deflate;client_max_window_bits=\"10\"", plain, 15),
            ("permessage-deflate; client_no_context_takeover", plain, 15),
            ("permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15", 15),
            ("permessage-deflate; server_max_window_bits=14", plain + "; server_max_window_bits=12", 12),
            (
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
                plain + "; server_max_window_bits=12", 12
            ),
            ("permessage-deflate; server_max_window_bits=11", plain + "; server_max_window_bits=9", 9),
            ("permessage-deflate; server_max_window_bits=9", plain + "; server_max_window_bits=9", 9),
            ("x-webkit-deflate-frame, permessage-deflate", plain, 15),
            ("permessage-deflate; server_no_context_takeover, permessage-deflate", plain, 15),
            (
                "permessage-deflate; what=ever, permessage-deflate; server_max_window_bits=10, permessage-deflate",
                plain + "; server_max_window_bits=9", 9
            ),
        ])
    func served(offer: String, answer: String, windowBits: Int) throws {
        let list = try #require(ExtensionList([offer]))
        let found = try #require(DeflateAgreement.answer(to: list))
        #expect(found.field == answer)
        #expect(found.agreement.serverWindowBits == windowBits)
        #expect(found.agreement.keepsContext(of: .server) && !found.agreement.keepsContext(of: .client))
    }

    @Test(
        "an offer with parameters that are unknown, twice there, wrong or not to be served is declined",
        arguments: [
            "permessage-bzip2", "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; mode=1",
            "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=010", "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=ten", "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=0", "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=-9", "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        ])
    func declined(offer: String) throws {
        let list = try #require(ExtensionList([offer]))
        #expect(DeflateAgreement.answer(to: list) == nil)
    }

    @Test(
        "a field that is no list of extensions is one for which a connection fails",
        arguments: [
            "", ",", "permessage-deflate,", "permessage-deflate;", "permessage-deflate; a=", "permessage-deflate; =1",
            "a b", "a; b c", "a; b=\"", "a; b=\"\"", "a; b=\"c d\"", "a; b=c d", "(a)", "a; b=\"\\", "ä",
        ])
    func malformed(field: String) {
        #expect(ExtensionList([field]) == nil)
        #expect(ExtensionList(["permessage-deflate", field]) == nil)
    }

    @Test("several fields are one list; quotation marks say nothing of their own") func fields() throws {
        let list = try #require(ExtensionList(["a; b=\"c\\d\" ; e , f", "g"]))
        #expect(
            list.elements == [
                .init(name: "a", parameters: [.init(name: "b", value: "cd"), .init(name: "e")]),
                .init(name: "f", parameters: []), .init(name: "g", parameters: []),
            ])
        #expect(try #require(ExtensionList([])).elements.isEmpty)
    }

    @Test("a server's answer to our offer may restrict what it was asked for, and add nothing else") func answers()
        throws
    {
        func agreement(_ answer: String) throws -> DeflateAgreement? {
            DeflateAgreement(answer: try #require(ExtensionList([answer])))
        }
        let bare = try #require(try agreement("permessage-deflate"))
        #expect(bare.serverWindowBits == 15 && bare.serverKeepsContext && bare.clientKeepsContext)
        let all = try #require(
            try agreement(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8"))
        #expect(all.serverWindowBits == 8 && !all.serverKeepsContext && !all.clientKeepsContext)
        for wrong in [
            "permessage-deflate; client_max_window_bits=15", "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits", "permessage-deflate; x", "deflate",
            "permessage-deflate, permessage-deflate", "permessage-deflate; server_max_window_bits=16",
        ] {
            #expect(try agreement(wrong) == nil, "\(wrong)")
        }
    }
}
