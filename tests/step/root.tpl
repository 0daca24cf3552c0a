{
  "subject": {{ toJson .Subject }},
  "issuer": {{ toJson .Subject }},
  "keyUsage": ["digitalSignature", "certSign", "crlSign"],
  "basicConstraints": {"isCA": true, "maxPathLen": 1}
}
